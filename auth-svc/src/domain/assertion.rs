//! What a client says of itself in a JWT that it signed with its own key (RFC 7523 §3, `private_key_jwt`).

use std::time::Duration;

use serde_json::Value;
use svc_kit::clock::Timestamp;

/// The one `client_assertion_type`.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The algorithms by which others may sign what they present to us.
pub const FOREIGN_ALGORITHMS: [&str; 4] = ["ES256", "EdDSA", "PS256", "RS256"];
/// How far in the future an assertion may end.
const LIFETIME_MAX: Duration = Duration::from_secs(300);
/// How far another machine's clock may be ahead of ours.
const SKEW: Duration = Duration::from_secs(10);
/// Longest `jti`, in bytes.
const JTI_BYTES_MAX: usize = 256;

/// An assertion that is good if nobody presented it before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// Names it.
    pub jti: String,
    /// When it ends, and with it the need to remember it.
    pub expires_at: Timestamp,
}

impl Assertion {
    /// Reads the claims that `client` signed; `audiences` are the names that we go by.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn read(claims: &Value, client: &str, audiences: &[String], now: Timestamp) -> Result<Self, &'static str> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("iss") != client || text("sub") != client {
            return Err("iss and sub must be the client_id");
        }
        if !is_for_us(&claims["aud"], audiences) {
            return Err("aud must be this issuer");
        }
        let expires_at = moment(claims, "exp").ok_or("exp is missing")?;
        if expires_at <= now || expires_at > now.saturating_add(LIFETIME_MAX).saturating_add(SKEW) {
            return Err("exp must be within the next five minutes");
        }
        let latest = now.saturating_add(SKEW);
        if ["iat", "nbf"].iter().any(|name| moment(claims, name).is_some_and(|at| at > latest)) {
            return Err("iat and nbf must not be in the future");
        }
        match text("jti") {
            "" => Err("jti is missing"),
            jti if jti.len() > JTI_BYTES_MAX => Err("jti is too long"),
            jti => Ok(Self { jti: jti.to_owned(), expires_at }),
        }
    }
}

fn is_for_us(aud: &Value, audiences: &[String]) -> bool {
    let is_ours = |aud: &Value| aud.as_str().is_some_and(|aud| audiences.iter().any(|ours| ours == aud));
    is_ours(aud) || aud.as_array().is_some_and(|list| list.iter().any(is_ours))
}

/// A time in a claim, in seconds, whole or not (RFC 7519 §2).
pub fn moment(claims: &Value, name: &str) -> Option<Timestamp> {
    let value = claims.get(name)?;
    // Cut off at the bounds of the type, far beyond any time that is accepted.
    let ms = value.as_i64().map(|seconds| seconds.saturating_mul(1000));
    ms.or_else(|| value.as_f64().map(|seconds| (seconds * 1000.0) as i64)).map(Timestamp::from_ms)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);
    const SECONDS: i64 = 1_700_000_000;

    fn read(changes: Value) -> Result<Assertion, &'static str> {
        let mut claims = json!({ "iss": "web", "sub": "web", "aud": "https://op", "exp": SECONDS + 60, "jti": "one" });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        Assertion::read(&claims, "web", &["https://op".to_owned(), "https://op/token".to_owned()], NOW)
    }

    #[test]
    fn good_assertions_are_read() {
        for good in [
            json!({}),
            json!({ "aud": ["https://other", "https://op/token"] }),
            json!({ "exp": SECONDS + 1 }),
            json!({ "exp": SECONDS + 300 }),
            json!({ "exp": 1_700_000_060.5 }),
            json!({ "iat": SECONDS + 10, "nbf": SECONDS + 10 }),
            json!({ "iat": 0 }),
        ] {
            assert_eq!(read(good.clone()).map(|read| read.jti), Ok("one".to_owned()), "{good}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            json!({ "iss": "other" }),
            json!({ "sub": "other" }),
            json!({ "sub": null }),
            json!({ "aud": "https://op/" }),
            json!({ "aud": [] }),
            json!({ "aud": { "https://op": 1 } }),
            json!({ "exp": SECONDS }),
            json!({ "exp": SECONDS + 3600 }),
            json!({ "exp": null }),
            json!({ "exp": i64::MAX }),
            json!({ "iat": SECONDS + 61 }),
            json!({ "nbf": SECONDS + 61 }),
            json!({ "jti": "" }),
            json!({ "jti": "x".repeat(257) }),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
