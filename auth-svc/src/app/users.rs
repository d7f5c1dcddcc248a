//! Manages users.

use secrecy::{ExposeSecret as _, SecretString};
use svc_kit::access::Caller;

use super::{Adapters, Auth};
use crate::{
    domain::{
        event::What,
        user::{Claims, Description, Login, User, UserChange, UserId, password_problem},
    },
    error::AuthError,
    ports::{Described, Passwords as _, RevocationReason, TenantStore as _, UserStore as _},
};

impl<A: Adapters> Auth<A> {
    /// Creates a user.
    ///
    /// # Errors
    /// [`AuthError::PasswordRefused`], [`AuthError::TenantNotFound`], [`AuthError::LoginTaken`], or a failure.
    pub async fn create_user(
        &self,
        actor: &str,
        tenant: &str,
        login: Login,
        name: String,
        password: SecretString,
    ) -> Result<User, AuthError> {
        if let Some(problem) = password_problem(password.expose_secret(), &login) {
            return Err(AuthError::PasswordRefused(problem));
        }
        if !self.store.has_tenant(tenant).await? {
            return Err(AuthError::TenantNotFound);
        }
        let now = self.clock.now();
        let user = User {
            id: UserId::generate(&*self.entropy),
            tenant: tenant.to_owned(),
            login,
            name,
            password_hash: self.passwords.hash(password).await?,
            is_disabled: false,
            epoch: 0,
            created_at: now,
            claims: Claims::new(),
            is_email_verified: false,
            updated_at: now,
            must_change_password: false,
        };
        let event = self.event(tenant, actor, What::UserCreated(user.id.to_string()));
        if self.store.add_user(&user, &event).await? { Ok(user) } else { Err(AuthError::LoginTaken) }
    }

    /// Returns a user that exists for `caller`.
    ///
    /// # Errors
    /// [`AuthError::UserNotFound`], or a failure.
    pub async fn user(&self, caller: &Caller, id: &UserId) -> Result<User, AuthError> {
        let user = self.store.user(id).await?;
        user.filter(|user| caller.may_see(&user.tenant)).ok_or(AuthError::UserNotFound)
    }

    /// Disables a user; all sessions end.
    ///
    /// # Errors
    /// [`AuthError::UserNotFound`], or a failure of the store.
    pub async fn disable_user(&self, caller: &Caller, id: &UserId) -> Result<User, AuthError> {
        let user = self.user(caller, id).await?;
        let event = self.event(&user.tenant, &caller.subject, What::UserDisabled(id.to_string()));
        let why = Some(RevocationReason::AccountDisabled);
        let changed = self.store.change_user(id, &UserChange::Disable, &event, why).await?;
        self.carry_out_revocations().await;
        self.as_changed(caller, id, changed).await
    }

    /// Lets a disabled user sign in again.
    ///
    /// # Errors
    /// [`AuthError::UserNotFound`], or a failure of the store.
    pub async fn enable_user(&self, caller: &Caller, id: &UserId) -> Result<User, AuthError> {
        let user = self.user(caller, id).await?;
        let event = self.event(&user.tenant, &caller.subject, What::UserEnabled(id.to_string()));
        let changed = self.store.change_user(id, &UserChange::Enable, &event, None).await?;
        self.as_changed(caller, id, changed).await
    }

    /// Sets a password, which the user must change first if that is said; all sessions end.
    ///
    /// # Errors
    /// [`AuthError::UserNotFound`], [`AuthError::PasswordRefused`], or a failure.
    pub async fn set_password(
        &self,
        caller: &Caller,
        id: &UserId,
        password: SecretString,
        must_change: bool,
    ) -> Result<(), AuthError> {
        let user = self.user(caller, id).await?;
        if let Some(problem) = password_problem(password.expose_secret(), &user.login) {
            return Err(AuthError::PasswordRefused(problem));
        }
        let change = UserChange::SetPassword { password_hash: self.passwords.hash(password).await?, must_change };
        let event = self.event(&user.tenant, &caller.subject, What::PasswordChanged(id.to_string()));
        let why = Some(RevocationReason::CredentialChange);
        self.store.change_user(id, &change, &event, why).await?.ok_or(AuthError::UserNotFound)?;
        self.carry_out_revocations().await;
        Ok(())
    }

    /// Changes what is known of a user.
    ///
    /// # Errors
    /// [`AuthError::UserNotFound`], [`AuthError::LoginTaken`], or a failure of the store.
    pub async fn update_user(
        &self,
        caller: &Caller,
        id: &UserId,
        description: &Description,
        fields: Vec<String>,
    ) -> Result<User, AuthError> {
        let user = self.user(caller, id).await?;
        let what = What::UserUpdated { user: id.to_string(), fields };
        let event = self.event(&user.tenant, &caller.subject, what);
        match self.store.describe_user(id, description, &event).await? {
            Described::Done(user) => Ok(*user),
            Described::LoginTaken => Err(AuthError::LoginTaken),
            Described::Unknown => Err(AuthError::UserNotFound),
        }
    }

    /// Deletes a user; all sessions end.
    ///
    /// # Errors
    /// [`AuthError::UserNotFound`], or a failure of the store.
    pub async fn delete_user(&self, caller: &Caller, id: &UserId) -> Result<(), AuthError> {
        let user = self.user(caller, id).await?;
        let event = self.event(&user.tenant, &caller.subject, What::UserDeleted(id.to_string()));
        if !self.store.delete_user(&user, &event).await? {
            return Err(AuthError::UserNotFound);
        }
        self.carry_out_revocations().await;
        Ok(())
    }

    /// The user after a change; where there was nothing to change, the user as it is.
    async fn as_changed(&self, caller: &Caller, id: &UserId, changed: Option<User>) -> Result<User, AuthError> {
        match changed {
            Some(user) => Ok(user),
            None => self.user(caller, id).await,
        }
    }
}
