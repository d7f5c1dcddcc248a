//! What a user granted to an application, between the authorization and the exchange of its code.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use svc_kit::clock::Timestamp;

use super::claims::ClaimsRequest;

/// How long a code is good.
pub const CODE_LIFETIME: Duration = Duration::from_secs(60);

/// Scopes that every application may ask for.
pub const USER_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// A grant, waiting for its code to be exchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Tenant.
    pub tenant: String,
    /// Application that it was given to.
    pub client_id: String,
    /// User who gave it.
    pub user_id: String,
    /// Where the code was sent.
    pub redirect_uri: String,
    /// Scopes granted.
    pub scopes: Vec<String>,
    /// Returned in the ID token.
    pub nonce: String,
    /// PKCE challenge; empty when there was none.
    pub challenge: String,
    /// Thumbprint of the key that the code is bound to; empty when it is bound to none.
    #[serde(default)]
    pub dpop_jkt: String,
    /// Resources that access tokens are for; empty for our own services.
    #[serde(default)]
    pub resources: Vec<String>,
    /// Claims that were asked for by name.
    #[serde(default)]
    pub claims: ClaimsRequest,
    /// The SSO session.
    pub sso_session: String,
    /// When the user proved who they are.
    pub authenticated_at: Timestamp,
    /// The user's epoch then.
    pub epoch: i64,
}

impl Grant {
    /// The resources that one access token is for: those that are asked for, or all; `None` when one was not granted.
    pub fn narrowed(granted: &[String], asked: &[String]) -> Option<Vec<String>> {
        let is_chosen = |resource: &&String| asked.is_empty() || asked.contains(resource);
        let chosen = granted.iter().filter(is_chosen).cloned().collect();
        asked.iter().all(|resource| granted.contains(resource)).then_some(chosen)
    }
}

/// Keeps the scopes that a user may grant; unknown ones are ignored (OpenID Connect Core 1.0 §3.1.2.1).
pub fn user_scopes(asked: &str) -> Vec<String> {
    let mut scopes: Vec<String> = Vec::new();
    for scope in asked.split(' ') {
        if USER_SCOPES.contains(&scope) && !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.to_owned());
        }
    }
    scopes
}
