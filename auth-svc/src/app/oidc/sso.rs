//! The SSO session of a browser: one for each tenant, with a new token at each sign-in.
//!
//! Who signs in again stays in the same session: same `sid`, same applications under it, and the cookie's old value dead at
//! once. When somebody else signs in, the session before ends as by a logout, so that everybody who took part in it is
//! told, and a new one begins.

use proto::session::v1 as pb;
use secrecy::SecretString;

use crate::{
    app::{Adapters, Auth},
    domain::{ending::EndReason, user::User},
    error::AuthError,
    ports::{SessionRef, Sessions as _, SessionsError, UserStore as _},
};

/// Authentication methods of a sign-in with a password (RFC 8176).
pub const PASSWORD: &str = "pwd";

/// How a user came in.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// `User-Agent` of the browser.
    pub user_agent: String,
    /// Whether to keep the user signed in.
    pub keep_signed_in: bool,
}

impl<A: Adapters> Auth<A> {
    /// Opens or renews the SSO session of a browser for a user who has just signed in. `previous` is the cookie's value.
    ///
    /// # Errors
    /// [`AuthError::CredentialsRefused`] when the user changed meanwhile, or a failure.
    pub(super) async fn enter(
        &self,
        user: &User,
        arrival: Arrival,
        previous: Option<&str>,
    ) -> Result<(pb::Session, SecretString), AuthError> {
        let Some(token) = previous else { return self.open_sso(user, arrival).await };
        match self.sso_session(&user.tenant, previous).await? {
            Some(old) if old.user_id == user.id.as_str() => match self.renew(user, &arrival, token).await? {
                Some(renewed) => Ok(renewed),
                // It ended, or another tab signed in, this very moment.
                None => self.open_sso(user, arrival).await,
            },
            Some(old) => {
                let opened = self.open_sso(user, arrival).await?;
                self.end_sso_session(&old).await?;
                Ok(opened)
            }
            None => self.open_sso(user, arrival).await,
        }
    }

    async fn open_sso(&self, user: &User, arrival: Arrival) -> Result<(pb::Session, SecretString), AuthError> {
        let Arrival { user_agent, keep_signed_in } = arrival;
        let device = pb::Device { user_agent, r#type: pb::DeviceType::Browser.into(), ..pb::Device::default() };
        let open = pb::CreateSessionRequest {
            tenant_id: user.tenant.clone(),
            user_id: user.id.to_string(),
            kind: pb::SessionKind::Sso.into(),
            amr: vec![PASSWORD.to_owned()],
            device: Some(device),
            keep_signed_in,
            // A browser sends the cookie with parallel requests; rotation would gain nothing but races.
            refresh_mode: pb::RefreshMode::Reusable.into(),
            ..pb::CreateSessionRequest::default()
        };
        self.open_session(&user.id, user.epoch, None, open).await
    }

    /// Renews a session; `None` when its token is not good any more.
    async fn renew(
        &self,
        user: &User,
        arrival: &Arrival,
        token: &str,
    ) -> Result<Option<(pb::Session, SecretString)>, AuthError> {
        let request = pb::ReauthenticateSessionRequest {
            token: token.to_owned(),
            user_id: user.id.to_string(),
            amr: vec![PASSWORD.to_owned()],
            keep_signed_in: arrival.keep_signed_in,
            user_agent: arrival.user_agent.clone(),
            ..pb::ReauthenticateSessionRequest::default()
        };
        let (session, token) = match self.sessions.reauthenticate(request).await {
            Ok(renewed) => renewed,
            Err(SessionsError::TokenRefused) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // As in `open_session`: a change that ends sessions may have come between the check of the password and now.
        let now = self.store.user(&user.id).await?;
        if now.is_some_and(|now| now.epoch == user.epoch && !now.is_disabled) {
            return Ok(Some((session, token)));
        }
        self.sessions.revoke(SessionRef::Id(&session.id), EndReason::Policy).await?;
        Err(AuthError::CredentialsRefused)
    }
}
