//! API keys: credentials of programs that call auth-svc, with scopes and an end.

use std::time::Duration;

use svc_kit::{clock::Timestamp, prefixed_id};

use super::application::{OldSecret, SecretHash};

prefixed_id!(ApiKeyId, "akey_", "Names an API key.");

/// What a key may be allowed: every scope that auth-svc asks for.
pub const SCOPES: [&str; 4] = ["sessions.read", "sessions.write", "directory.read", "directory.write"];
/// How long a key is good when nobody says, and at most.
pub const LIFETIME_DEFAULT: Duration = Duration::from_secs(90 * 24 * 3600);
/// See [`LIFETIME_DEFAULT`].
pub const LIFETIME_MAX: Duration = Duration::from_secs(400 * 24 * 3600);
/// How exact it is known when a key was used last.
pub const USE_GRAIN: Duration = Duration::from_secs(60);

/// What every secret starts with, so that it is recognised where it leaked to.
const SECRET_PREFIX: &str = "lkk_";

/// An API key. Of its secrets there are hashes only.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name.
    pub id: ApiKeyId,
    /// Tenant.
    pub tenant: String,
    /// Name for people.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Hash of the secret.
    pub hash: SecretHash,
    /// The secret before the last rotation.
    pub old_secret: Option<OldSecret>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Who created it.
    pub created_by: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was used last.
    pub last_used_at: Option<Timestamp>,
    /// Grows with every change.
    pub revision: i64,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).field("revision", &self.revision).finish_non_exhaustive()
    }
}

impl ApiKey {
    /// Says whether `secret` is good for this key.
    pub fn accepts(&self, secret: &str, now: Timestamp) -> bool {
        let is_current = self.hash.is_of(secret);
        let is_old = self.old_secret.as_ref().is_some_and(|old| old.hash.is_of(secret) && now < old.until);
        now < self.expires_at && (is_current || is_old)
    }

    /// Says whether a use at `now` is worth noting.
    pub fn is_use_news(&self, now: Timestamp) -> bool {
        self.last_used_at.is_none_or(|last| now.duration_since(last) >= USE_GRAIN)
    }
}

/// Puts a secret together: it names its key, so that the key is found without comparing anything secret.
pub fn secret_of(id: &ApiKeyId, random: &str) -> String {
    format!("{SECRET_PREFIX}{}_{random}", id.as_str().trim_start_matches(ApiKeyId::PREFIX))
}

/// The key that a secret names; `None` for what is no secret of a key.
pub fn named_by(secret: &str) -> Option<ApiKeyId> {
    let (name, _) = secret.strip_prefix(SECRET_PREFIX)?.split_once('_')?;
    ApiKeyId::parse(&format!("{}{name}", ApiKeyId::PREFIX)).ok()
}

#[cfg(test)]
mod tests {
    use svc_kit::entropy::SeededEntropy;

    use super::*;

    const START: Timestamp = Timestamp::from_ms(1_700_000_000_000);

    fn later(seconds: u64) -> Timestamp {
        START.saturating_add(Duration::from_secs(seconds))
    }

    #[test]
    fn a_secret_names_its_key_and_nothing_else_does() {
        let id = ApiKeyId::generate(&SeededEntropy::new(1));
        let secret = secret_of(&id, "ab_c-d");
        assert_eq!(named_by(&secret), Some(id));
        for text in ["", "lkk_", "lkk_x_y", &secret[4..], &secret.to_uppercase(), "lkr_x"] {
            assert_eq!(named_by(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_last_two_secrets_are_good_until_their_ends() {
        let key = ApiKey {
            id: ApiKeyId::generate(&SeededEntropy::new(1)),
            tenant: "one".to_owned(),
            name: String::new(),
            scopes: vec![],
            hash: SecretHash::of("new"),
            old_secret: Some(OldSecret { hash: SecretHash::of("old"), until: later(10) }),
            created_at: START,
            created_by: String::new(),
            expires_at: later(20),
            last_used_at: Some(START),
            revision: 0,
        };
        let good = |secret, seconds| key.accepts(secret, later(seconds));
        assert!(good("new", 0) && good("old", 9) && good("new", 19));
        assert!(!good("old", 10) && !good("new", 20) && !good("other", 0));
        assert!(!key.is_use_news(later(59)) && key.is_use_news(later(60)));
    }
}
