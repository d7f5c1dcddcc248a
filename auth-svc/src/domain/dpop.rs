//! Proofs that a client has the key that a token is bound to (RFC 9449).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use svc_kit::{clock::Timestamp, secret};
use url::Url;

use super::assertion::moment;

/// How far the time of a proof may be from ours, to either side.
const WINDOW: Duration = Duration::from_secs(60);
/// How long a nonce of ours is good.
pub const NONCE_LIFETIME: Duration = Duration::from_secs(300);
/// Longest `jti`, in bytes.
const JTI_BYTES_MAX: usize = 256;

/// A proof whose signature is good: by a key that it brings itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// Thumbprint of the key (RFC 7638), by which tokens name it.
    pub thumbprint: String,
    /// What was signed.
    pub claims: Value,
}

/// The request that a proof must have been made for.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// Method.
    pub method: &'a str,
    /// Address.
    pub address: &'a str,
    /// The access token that comes with it, if one does.
    pub access_token: Option<&'a str>,
}

/// A proof that is good if nobody presented it before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// Names it, among those of its key.
    pub jti: String,
    /// When it ends, and with it the need to remember it.
    pub expires_at: Timestamp,
}

impl Proof {
    /// Checks that the proof was made for a request, just now.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self, demand: &Demand<'_>, now: Timestamp) -> Result<Fresh, &'static str> {
        let text = |name: &str| self.claims.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("htm") != demand.method {
            return Err("htm is another method");
        }
        if !is_same_address(text("htu"), demand.address) {
            return Err("htu is another address");
        }
        let made_at = moment(&self.claims, "iat").ok_or("iat is missing")?;
        let expires_at = made_at.saturating_add(WINDOW);
        if now >= expires_at || made_at > now.saturating_add(WINDOW) {
            return Err("iat is too far from now");
        }
        if let Some(token) = demand.access_token
            && !secret::constant_time_eq(text("ath").as_bytes(), hash_of(token).as_bytes())
        {
            return Err("ath is not the hash of the access token");
        }
        match text("jti") {
            "" => Err("jti is missing"),
            jti if jti.len() > JTI_BYTES_MAX => Err("jti is too long"),
            jti => Ok(Fresh { jti: jti.to_owned(), expires_at }),
        }
    }

    /// The nonce, or the empty text.
    pub fn nonce(&self) -> &str {
        self.claims.get("nonce").and_then(Value::as_str).unwrap_or_default()
    }
}

/// The hash by which a proof names an access token (RFC 9449 §4.2).
fn hash_of(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(secret::sha256(token.as_bytes()))
}

/// Compares without query and fragment, as addresses and not as texts (RFC 9449 §4.3).
fn is_same_address(told: &str, real: &str) -> bool {
    let bare = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        url.set_query(None);
        url.set_fragment(None);
        Some(url)
    };
    bare(told).is_some_and(|told| Some(told) == bare(real))
}

/// Says whether a text can be the thumbprint of a key: the base64url of 32 bytes.
pub fn is_thumbprint(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_562_265_296_000);
    const SECONDS: i64 = 1_562_265_296;
    /// The example of RFC 9449 §7.1.
    const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    const ADDRESS: &str = "https://op.example/userinfo";

    fn check(changes: Value, access_token: Option<&str>) -> Result<Fresh, &'static str> {
        let mut claims = json!({ "htm": "POST", "htu": ADDRESS, "iat": SECONDS, "jti": "one" });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let proof = Proof { thumbprint: String::new(), claims };
        proof.check(&Demand { method: "POST", address: ADDRESS, access_token }, NOW)
    }

    #[test]
    fn the_example_of_rfc_9449_names_its_token() {
        let ath = json!({ "ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo" });
        assert!(check(ath.clone(), Some(TOKEN)).is_ok());
        assert!(check(ath, Some("another")).is_err());
        assert!(check(json!({}), Some(TOKEN)).is_err());
    }

    #[test]
    fn a_proof_is_for_one_request_at_one_time() {
        for good in [
            json!({}),
            json!({ "htu": "https://op.example:443/userinfo?x=1#y" }),
            json!({ "htu": "HTTPS://OP.example/userinfo" }),
            json!({ "iat": SECONDS - 59 }),
            json!({ "iat": SECONDS + 60 }),
        ] {
            assert!(check(good.clone(), None).is_ok(), "{good}");
        }
        for bad in [
            json!({ "htm": "GET" }),
            json!({ "htm": "post" }),
            json!({ "htu": "http://op.example/userinfo" }),
            json!({ "htu": "https://op.example/userinfo/" }),
            json!({ "htu": "https://op.example/token" }),
            json!({ "htu": null }),
            json!({ "iat": SECONDS - 60 }),
            json!({ "iat": SECONDS + 61 }),
            json!({ "iat": null }),
            json!({ "jti": "" }),
            json!({ "jti": "x".repeat(257) }),
        ] {
            assert!(check(bad.clone(), None).is_err(), "{bad}");
        }
    }
}
