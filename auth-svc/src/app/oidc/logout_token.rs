//! Logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.4).

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use svc_kit::{clock::Timestamp, entropy, id::encode_base32};

use crate::{
    app::{Adapters, Auth},
    error::AuthError,
    ports::{ApplicationStore as _, Tokens as _},
};

/// `typ` of logout tokens. It differs from that of every other token of ours, so that none can be taken for another.
const LOGOUT: &str = "logout+jwt";
/// How long a logout token is good (§2.4 recommends two minutes at most).
const LIFETIME: Duration = Duration::from_secs(120);
/// What happened.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Whom to tell of which end.
#[derive(Clone, Debug)]
pub struct LogoutNotice {
    /// Tenant.
    pub tenant: String,
    /// Application to tell.
    pub application: String,
    /// User whose session ended.
    pub user: String,
    /// The `sid` that the application knows.
    pub session: String,
}

/// Never has a `nonce`: with one it could pass for an ID token (§2.4).
#[derive(Serialize)]
struct LogoutClaims<'a> {
    iss: String,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
    sub: &'a str,
    sid: &'a str,
    events: Value,
}

impl<A: Adapters> Auth<A> {
    /// Signs a logout token, a new one at every call; returns when it ends too.
    ///
    /// # Errors
    /// [`AuthError::ApplicationNotFound`], or a failure.
    pub async fn mint_logout_token(&self, notice: &LogoutNotice) -> Result<(String, Timestamp), AuthError> {
        let application = self.store.application(&notice.application).await?;
        let application = application.filter(|found| found.tenant == notice.tenant);
        let application = application.ok_or(AuthError::ApplicationNotFound)?;
        let now = self.clock.now();
        let expires_at = now.saturating_add(LIFETIME);
        let claims = LogoutClaims {
            iss: self.settings.issuer(&application.tenant),
            aud: &application.id,
            iat: now.as_secs(),
            exp: expires_at.as_secs(),
            jti: encode_base32(&entropy::bytes::<16>(&*self.entropy)),
            sub: &notice.user,
            sid: &notice.session,
            events: json!({ EVENT: {} }),
        };
        Ok((self.tokens.sign(LOGOUT, application.settings.signing_algorithm, &claims)?, expires_at))
    }
}
