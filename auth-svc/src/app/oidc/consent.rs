//! Consent: what a user agrees that an application gets to know, remembered for each user and application.
//!
//! A consent that is withdrawn ends the user's sessions in the application. The order to do so is written with the
//! withdrawal, and whoever exchanges a code looks again after the session is open. So either the exchange sees that the
//! consent is gone and ends what it opened, or the order comes after it and ends it with the others.

use proto::session::v1 as pb;
use svc_kit::access::Caller;

use crate::{
    app::{Adapters, Auth},
    domain::{
        application::Application,
        authorize::AuthorizationRequest,
        consent::{Consent, must_ask},
        event::What,
        grant::Grant,
        user::{User, UserId},
    },
    error::AuthError,
    ports::{ConsentStore as _, UserStore as _},
};

impl<A: Adapters> Auth<A> {
    /// Says whether a user must be asked before `request` is answered.
    pub(super) async fn must_ask(
        &self,
        request: &AuthorizationRequest,
        application: &Application,
        user: &UserId,
    ) -> Result<bool, AuthError> {
        let requires = application.settings.requires_consent;
        let remembered = match requires {
            true => self.store.consent(user, &application.id).await?,
            false => None,
        };
        Ok(must_ask(request, requires, remembered.as_ref()))
    }

    /// Remembers that the user of an SSO session agrees to a request, and returns the code; `None` when the user may not
    /// sign in any more.
    ///
    /// # Errors
    /// A failure.
    pub async fn agree(&self, request: &AuthorizationRequest, sso: &pb::Session) -> Result<Option<String>, AuthError> {
        let Some(user) = self.user_of(sso).await? else { return Ok(None) };
        let consent = Consent {
            user: user.id.clone(),
            application: request.client_id.clone(),
            scopes: request.consent_scopes(),
            given_at: self.clock.now(),
        };
        self.remember_consent(&user, consent).await?;
        self.issue_code(request, sso, user.epoch).await.map(Some)
    }

    pub(super) async fn remember_consent(&self, user: &User, consent: Consent) -> Result<(), AuthError> {
        let what = What::ConsentGiven { user: user.id.to_string(), application: consent.application.clone() };
        let event = self.event(&user.tenant, "", what);
        Ok(self.store.give_consent(&consent.after(None), &event).await?)
    }

    /// Says whether what was granted is agreed to, still.
    pub(super) async fn is_agreed(&self, grant: &Grant, application: &Application) -> Result<bool, AuthError> {
        if !application.settings.requires_consent {
            return Ok(true);
        }
        let Ok(user) = UserId::parse(&grant.user_id) else { return Ok(false) };
        let consent = self.store.consent(&user, &application.id).await?;
        Ok(consent.is_some_and(|consent| consent.covers(&grant.claims.with_scopes(&grant.scopes))))
    }

    /// The user of an SSO session, if they may sign in.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn user_of(&self, sso: &pb::Session) -> Result<Option<User>, AuthError> {
        let user = match UserId::parse(&sso.user_id) {
            Ok(id) => self.store.user(&id).await?,
            Err(_) => None,
        };
        Ok(user.filter(|user| !user.is_disabled))
    }

    /// Forgets what a user agreed to with an application, and ends their sessions in it.
    ///
    /// # Errors
    /// [`AuthError::UserNotFound`], [`AuthError::ConsentNotFound`], or a failure of the store.
    pub async fn withdraw_consent(&self, caller: &Caller, user: &UserId, application: &str) -> Result<(), AuthError> {
        let user = self.user(caller, user).await?;
        let what = What::ConsentWithdrawn { user: user.id.to_string(), application: application.to_owned() };
        let event = self.event(&user.tenant, &caller.subject, what);
        if !self.store.withdraw_consent(&user, application, &event).await? {
            return Err(AuthError::ConsentNotFound);
        }
        self.carry_out_revocations().await;
        Ok(())
    }
}
