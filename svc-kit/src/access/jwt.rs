//! JWT access tokens (RFC 9068): verified against the issuer's published keys.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;

use super::{AccessError, Caller, KeySource, Scopes};
use crate::clock::Timestamp;

/// Longest token that is looked at, in bytes.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// How long we accept a token after its end, for clocks that differ.
const LEEWAY_SECS: u64 = 10;
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// What an access token must say.
pub(super) struct JwtVerifier {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) keys: Arc<dyn KeySource>,
}

/// What a good access token says.
pub(super) struct Verified {
    /// Who it speaks for.
    pub(super) caller: Caller,
    /// When it ends.
    pub(super) ends: Timestamp,
    /// The key that signed it.
    pub(super) kid: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    exp: i64,
    client_id: String,
    #[serde(default)]
    tenant_id: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    cnf: Option<serde::de::IgnoredAny>,
}

impl JwtVerifier {
    /// Verifies `token`.
    pub(super) async fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, AccessError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(AccessError::CredentialInvalid);
        }
        let header = decode_header(token).map_err(|_| AccessError::CredentialInvalid)?;
        let is_access_token = header.typ.as_deref().is_some_and(is_at_jwt);
        let kid = header.kid.filter(|kid| is_access_token && kid.len() <= 128);
        let kid = kid.ok_or(AccessError::CredentialInvalid)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(AccessError::CredentialInvalid);
        }
        let key = self.keys.key(&kid).await?.ok_or(AccessError::CredentialInvalid)?;
        let claims = decode::<Claims>(token, &key, &self.validation(header.alg))
            .map_err(|_| AccessError::CredentialInvalid)?
            .claims;
        // Checked here, because the library reads the machine's clock and not ours.
        let ends = Timestamp::from_ms(claims.exp.saturating_mul(1000));
        // Bound to a key that a call does not show: whoever presents it may have stolen it (RFC 9449 §7.1).
        let is_bound = claims.cnf.is_some();
        let is_complete = !claims.client_id.is_empty() && !claims.tenant_id.is_empty() && !is_bound;
        if !is_complete || !self.is_issuer(&claims) || now >= ends.saturating_add(Duration::from_secs(LEEWAY_SECS)) {
            return Err(AccessError::CredentialInvalid);
        }
        let scopes = Scopes::parse(&claims.scope);
        let caller = Caller { subject: claims.client_id, tenant: Some(claims.tenant_id), scopes };
        Ok(Verified { caller, ends, kid })
    }

    /// Each tenant has an issuer of its own: the default tenant's is the base of the others', and all share their keys.
    fn is_issuer(&self, claims: &Claims) -> bool {
        let below = claims.iss.strip_prefix(&self.issuer).map(|path| path.strip_prefix("/t/"));
        match below {
            Some(Some(tenant)) => tenant == claims.tenant_id,
            Some(None) => claims.iss == self.issuer,
            None => false,
        }
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_audience(&[&self.audience]);
        validation
    }
}

fn is_at_jwt(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt")
}
