//! Signs users in and out.

use proto::session::v1 as pb;
use secrecy::{ExposeSecret as _, SecretString};
use svc_kit::{
    access::Caller,
    error::{ServiceError as _, chain},
};

use super::{
    Adapters, Auth,
    oidc::possession,
    throttle::Attempt,
    tokens::{Terms, TokenSet},
};
use crate::{
    domain::{
        application::Application,
        ending::{Cause, EndReason},
        event::What,
        grant::user_scopes,
        throttle::network_of,
        user::{Login, User, UserId},
    },
    error::AuthError,
    ports::{
        ApplicationStore as _, Passwords as _, SessionRef, Sessions as _, SessionsError, UserRegistrationStore as _,
        UserStore as _,
    },
};

/// A sign-in without a browser.
#[derive(Debug)]
pub struct LoginCommand {
    /// Tenant.
    pub tenant: String,
    /// Application.
    pub application: String,
    /// Login, as typed.
    pub login: String,
    /// Password, as typed.
    pub password: SecretString,
    /// Device.
    pub device: Option<pb::Device>,
    /// Scopes; empty means all.
    pub scopes: Vec<String>,
}

impl<A: Adapters> Auth<A> {
    /// Checks login and password. Wrong and unknown look the same, and take the same time; that the user is disabled is told
    /// to whoever knows the password. `address` is where the attempt comes from, as far as that is known; whoever guesses has
    /// to wait.
    ///
    /// # Errors
    /// [`AuthError::CredentialsRefused`], [`AuthError::UserDisabled`], [`AuthError::Throttled`], or a failure.
    pub async fn authenticate(
        &self,
        tenant: &str,
        application: &str,
        login: &str,
        password: SecretString,
        address: &str,
    ) -> Result<User, AuthError> {
        let attempt = Attempt::new(tenant, login, &network_of(address));
        self.throttle.begin(&attempt, self.clock.now()).map_err(AuthError::Throttled)?;
        let checked = self.check_credentials(tenant, application, login, password, address).await;
        match &checked {
            Ok(_) => self.throttle.succeeded(&attempt),
            Err(AuthError::CredentialsRefused) => {}
            Err(_) => self.throttle.take_back(&attempt),
        }
        checked
    }

    async fn check_credentials(
        &self,
        tenant: &str,
        application: &str,
        login: &str,
        password: SecretString,
        address: &str,
    ) -> Result<User, AuthError> {
        let user = match Login::parse(login) {
            Some(login) => self.store.user_by_login(tenant, &login).await?,
            None => None,
        };
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let is_right = self.passwords.check(password.clone(), hash).await?;
        let (user, reason, error) = match user {
            Some(user) if is_right && !user.is_disabled => {
                self.renew_hash(&user, password).await;
                return Ok(user);
            }
            Some(user) if is_right => (user.id.to_string(), "USER_DISABLED", AuthError::UserDisabled),
            Some(user) => (user.id.to_string(), "WRONG_PASSWORD", AuthError::CredentialsRefused),
            None => (String::new(), "UNKNOWN_USER", AuthError::CredentialsRefused),
        };
        let what = What::LoginFailed { user, application: application.to_owned(), reason };
        self.store.tell(&self.event(tenant, "", what).of(address)).await?;
        Err(error)
    }

    /// Tells that a user with good credentials does not get in, and says why.
    pub(super) async fn turned_away(
        &self,
        user: &User,
        application: &str,
        address: &str,
        why: AuthError,
    ) -> Result<AuthError, AuthError> {
        let (user_id, application) = (user.id.to_string(), application.to_owned());
        let what = What::LoginFailed { user: user_id, application, reason: why.reason() };
        self.store.tell(&self.event(&user.tenant, "", what).of(address)).await?;
        Ok(why)
    }

    /// Replaces a hash that was taken over from elsewhere, now that the password is known. If it cannot be done now, the next
    /// sign-in does it.
    async fn renew_hash(&self, user: &User, password: SecretString) {
        if !self.passwords.is_outdated(&user.password_hash) {
            return;
        }
        let renewed = async {
            let hash = self.passwords.hash(password).await?;
            Ok::<_, AuthError>(self.store.replace_hash(&user.id, &user.password_hash, &hash).await?)
        };
        if let Err(error) = renewed.await {
            tracing::warn!(user.id = user.id.as_str(), error = chain(&error), "a password's hash is not renewed");
        }
    }

    /// Signs a user in to an application.
    ///
    /// # Errors
    /// [`AuthError::ApplicationNotFound`], [`AuthError::ApplicationManaged`], [`AuthError::ProofRequired`], what
    /// [`Self::authenticate`] finds, [`AuthError::PasswordChangeRequired`], [`AuthError::NotRegistered`], or a failure.
    pub async fn login(&self, command: LoginCommand) -> Result<(TokenSet, pb::Session), AuthError> {
        self.open_tenant(&command.tenant).await?;
        let application = self.store.application(&command.application).await?;
        let application = application.filter(|application| application.tenant == command.tenant);
        let application = application.ok_or(AuthError::ApplicationNotFound)?;
        if application.is_application_managed {
            return Err(AuthError::ApplicationManaged);
        }
        if application.settings.requires_dpop {
            return Err(AuthError::ProofRequired);
        }
        let address = command.device.as_ref().map(|device| device.ip_address.clone()).unwrap_or_default();
        let (tenant, login) = (&command.tenant, &command.login);
        let user = self.authenticate(tenant, &application.id, login, command.password, &address).await?;
        let refusal = if user.must_change_password {
            Some(AuthError::PasswordChangeRequired)
        } else if !self.is_let_in(&application, &user.id).await? {
            Some(AuthError::NotRegistered)
        } else {
            None
        };
        if let Some(why) = refusal {
            return Err(self.turned_away(&user, &application.id, &address, why).await?);
        }
        let asked =
            if command.scopes.is_empty() { "openid profile email offline_access" } else { &command.scopes.join(" ") };
        let request = pb::CreateSessionRequest {
            device: command.device,
            scopes: user_scopes(asked),
            ..session_request(&application, user.id.as_str())
        };
        let (session, token) = self.open_session(&user.id, user.epoch, Some(&application), request).await?;
        let what = What::LoginSuccess {
            user: user.id.to_string(),
            application: application.id.clone(),
            session: session.id.clone(),
        };
        self.store.tell(&self.event(&user.tenant, "", what).of(&address)).await?;
        let tokens = self.tokens_for(&application, &session, token.expose_secret().to_owned(), &Terms::default())?;
        Ok((tokens, session))
    }

    /// Opens a session for a user whose epoch was `epoch` when their credentials were checked, in an application that let them
    /// in, or in none.
    ///
    /// How the user stands is read again afterwards. A change that ends sessions (disable, set password) raises the epoch in the
    /// transaction that orders the end, and a registration is gone in the one that does. So either we see here what changed and
    /// end what we opened; or the change comes after this read, and its order, which is carried out after the change, ends our
    /// session with all others.
    ///
    /// # Errors
    /// [`AuthError::CredentialsRefused`] when the user changed meanwhile, [`AuthError::NotRegistered`] when the application
    /// does not let them in any more, or a failure.
    pub async fn open_session(
        &self,
        user: &UserId,
        epoch: i64,
        application: Option<&Application>,
        request: pb::CreateSessionRequest,
    ) -> Result<(pb::Session, SecretString), AuthError> {
        let (session, token) = self.sessions.create(request).await?;
        let requires_registration = application.is_some_and(|application| application.settings.requires_registration);
        let standing = self.store.standing(user, application.map_or("", |application| &application.id)).await?;
        let why = match standing.filter(|now| now.epoch == epoch && !now.is_disabled) {
            Some(now) if now.is_registered || !requires_registration => return Ok((session, token)),
            Some(_) => AuthError::NotRegistered,
            None => AuthError::CredentialsRefused,
        };
        self.sessions.revoke(SessionRef::Id(&session.id), EndReason::Policy).await?;
        Err(why)
    }

    /// Exchanges a refresh token that is bound to no key, or to the one that `terms` name.
    ///
    /// # Errors
    /// [`SessionsError::TokenRefused`] whatever the cause, or a failure.
    pub async fn refresh(
        &self,
        may_see: impl Fn(&str) -> bool,
        application: &Application,
        token: &str,
        terms: &Terms<'_>,
    ) -> Result<(TokenSet, pb::Session), AuthError> {
        if !may_see(&application.tenant) {
            return Err(SessionsError::TokenRefused.into());
        }
        // Only tokens of public clients are bound, and a binding never changes.
        let found = match application.is_public() {
            true => self.sessions.look(SessionRef::Token(token)).await?,
            false => None,
        };
        let (session, token) = self.refresh_session(application, token, found.as_ref(), terms.key).await?;
        Ok((self.tokens_for(application, &session, token.expose_secret().to_owned(), terms)?, session))
    }

    /// Exchanges the token of a session that is this application's, and whose user may still sign in; with the key that it
    /// is bound to, if it is bound to one. `found` is the session as it was looked at before anything is spent, which a
    /// public client's must be: a thief without the key must not even use the token up.
    ///
    /// # Errors
    /// [`SessionsError::TokenRefused`] whatever the cause, or a failure.
    pub async fn refresh_session(
        &self,
        application: &Application,
        token: &str,
        found: Option<&pb::Session>,
        key: Option<&str>,
    ) -> Result<(pb::Session, SecretString), AuthError> {
        let refused = || AuthError::Sessions(SessionsError::TokenRefused);
        if application.is_public() {
            if !found.is_some_and(|session| possession::is_enough(application, session, key)) {
                return Err(refused());
            }
        } else if application.settings.requires_dpop && key.is_none() {
            return Err(refused());
        }
        let (session, token) = self.sessions.refresh(token, &application.id).await?;
        let is_theirs = session.tenant_id == application.tenant && session.application_id == application.id;
        let user = UserId::parse(&session.user_id).map_err(|_| refused())?;
        let is_active = self.store.user(&user).await?.is_some_and(|user| !user.is_disabled);
        if !is_theirs || !is_active {
            return Err(refused());
        }
        Ok((session, token))
    }

    /// Ends a session and says so.
    ///
    /// # Errors
    /// [`SessionsError::NotFound`], or a failure.
    pub async fn logout(&self, session: SessionRef<'_>) -> Result<bool, AuthError> {
        self.end_and_tell(session, Cause::Logout).await
    }

    /// Ends a session because its user wants it to, and says so.
    pub(super) async fn end_and_tell(&self, session: SessionRef<'_>, cause: Cause) -> Result<bool, AuthError> {
        let (session, already_ended) = self.sessions.revoke(session, cause.rule().reason).await?;
        if !already_ended {
            let what = What::Logout { user: session.user_id, application: session.application_id, session: session.id };
            self.store.tell(&self.event(&session.tenant_id, "", what)).await?;
        }
        Ok(already_ended)
    }

    /// Ends a session that exists for `caller` and says so.
    ///
    /// # Errors
    /// [`SessionsError::NotFound`], or a failure.
    pub async fn logout_for(&self, caller: &Caller, session: SessionRef<'_>) -> Result<bool, AuthError> {
        let found = self.sessions.look(session.clone()).await?;
        if !found.is_some_and(|found| caller.may_see(&found.tenant_id)) {
            return Err(SessionsError::NotFound.into());
        }
        self.logout(session).await
    }
}

/// The request that opens a session of a user in an application.
pub fn session_request(application: &Application, user: &str) -> pb::CreateSessionRequest {
    let mode = if application.is_public() { pb::RefreshMode::Rotate } else { pb::RefreshMode::Reusable };
    let on_parent_end = if application.keep_on_sso_logout { pb::OnParentEnd::Keep } else { pb::OnParentEnd::Revoke };
    pb::CreateSessionRequest {
        tenant_id: application.tenant.clone(),
        user_id: user.to_owned(),
        application_id: application.id.clone(),
        kind: pb::SessionKind::Application.into(),
        amr: vec!["pwd".to_owned()],
        refresh_mode: mode.into(),
        on_parent_end: on_parent_end.into(),
        ..pb::CreateSessionRequest::default()
    }
}
