//! Manages who may sign in to applications that do not let in everybody.
//!
//! Whoever opens a session looks afterwards whether the user is registered still, and whoever deletes a registration orders
//! the end of the sessions after it is gone: one of the two sees the other.

use svc_kit::access::Caller;

use super::{Adapters, Auth};
use crate::{
    domain::{application::Application, event::What, user::UserId, user_registration::UserRegistration},
    error::AuthError,
    ports::UserRegistrationStore as _,
};

impl<A: Adapters> Auth<A> {
    /// Registers a user for an application of the same tenant.
    ///
    /// # Errors
    /// [`AuthError::UserNotFound`], [`AuthError::ApplicationNotFound`], or a failure of the store.
    pub async fn register_user(
        &self,
        caller: &Caller,
        user: &UserId,
        application: &str,
    ) -> Result<UserRegistration, AuthError> {
        let user = self.user(caller, user).await?;
        let application = self.application(caller, application).await?;
        if application.tenant != user.tenant {
            return Err(AuthError::ApplicationNotFound);
        }
        let (id, name) = (user.id.to_string(), application.id.clone());
        let event =
            self.event(&user.tenant, &caller.subject, What::RegistrationCreated { user: id, application: name });
        let registration = UserRegistration { user: user.id, application: application.id, created_at: event.at };
        self.store.register_user(&registration, &event).await?.ok_or(AuthError::ChangedMeanwhile)
    }

    /// Deletes a registration; the user's sessions in the application end.
    ///
    /// # Errors
    /// [`AuthError::UserNotFound`], [`AuthError::RegistrationNotFound`], or a failure of the store.
    pub async fn deregister_user(&self, caller: &Caller, user: &UserId, application: &str) -> Result<(), AuthError> {
        let user = self.user(caller, user).await?;
        let what = What::RegistrationDeleted { user: user.id.to_string(), application: application.to_owned() };
        let event = self.event(&user.tenant, &caller.subject, what);
        if !self.store.deregister_user(&user, application, &event).await? {
            return Err(AuthError::RegistrationNotFound);
        }
        self.carry_out_revocations().await;
        Ok(())
    }

    /// Says whether an application lets a user in.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn is_let_in(&self, application: &Application, user: &UserId) -> Result<bool, AuthError> {
        Ok(!application.settings.requires_registration || self.store.is_registered(user, &application.id).await?)
    }
}
