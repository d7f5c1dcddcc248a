//! Signatures of Standard Webhooks, the symmetric kind (`v1`): HMAC-SHA-256 over `{id}.{timestamp}.{body}`.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use svc_kit::{
    clock::Timestamp,
    secret::{constant_time_eq, hmac_sha256},
};
use webhook_svc::domain::signature::SigningSecret;

/// How far the sender's clock may be off; stops replays of old webhooks.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// A header is missing or malformed.
    #[error("webhook-id, webhook-timestamp or webhook-signature is missing or malformed")]
    Headers,
    /// Too old, or from the future.
    #[error("the timestamp is more than 5 minutes off")]
    Timestamp,
    /// No signature is by one of the secrets.
    #[error("no signature is by this secret")]
    Signature,
}

/// What a webhook presents.
pub(super) struct Signed<'a> {
    pub id: &'a str,
    pub timestamp: &'a str,
    pub signatures: &'a str,
    pub body: &'a [u8],
}

impl Signed<'_> {
    /// Says whether one of the signatures is by one of `secrets`, and recent.
    pub(super) fn verify(&self, secrets: &[SigningSecret], now: Timestamp) -> Result<(), Refused> {
        let seconds: i64 = self.timestamp.parse().map_err(|_| Refused::Headers)?;
        if self.id.is_empty() || self.signatures.is_empty() {
            return Err(Refused::Headers);
        }
        if seconds.abs_diff(now.as_secs()) > TOLERANCE.as_secs() {
            return Err(Refused::Timestamp);
        }
        let presented: Vec<Vec<u8>> = self.signatures.split(' ').filter_map(decode).collect();
        let is_good = secrets.iter().any(|secret| {
            let head = format!("{}.{}.", self.id, self.timestamp);
            let expected = hmac_sha256(secret.as_bytes(), &[head.as_bytes(), self.body]);
            presented.iter().any(|signature| constant_time_eq(signature, &expected))
        });
        if is_good { Ok(()) } else { Err(Refused::Signature) }
    }
}

fn decode(entry: &str) -> Option<Vec<u8>> {
    STANDARD.decode(entry.strip_prefix("v1,")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SENT: Signed<'_> = Signed {
        id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp: "1614265330",
        signatures: "v1a,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        body: br#"{"test": 2432232314}"#,
    };

    fn verify(signed: &Signed<'_>, key: &str, now_secs: i64) -> Result<(), Refused> {
        signed.verify(&[SigningSecret::parse(key).unwrap()], Timestamp::from_ms(now_secs * 1000))
    }

    #[test]
    fn the_published_vector_is_good() {
        assert_eq!(verify(&SENT, KEY, 1_614_265_330), Ok(()));
    }

    #[test]
    fn another_key_body_or_time_is_not() {
        let now = 1_614_265_330;
        assert_eq!(verify(&SENT, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", now), Err(Refused::Signature));
        assert_eq!(verify(&Signed { body: b"{}", ..SENT }, KEY, now), Err(Refused::Signature));
        assert_eq!(verify(&SENT, KEY, now + 301), Err(Refused::Timestamp));
        assert_eq!(verify(&Signed { id: "", ..SENT }, KEY, now), Err(Refused::Headers));
        assert_eq!(verify(&Signed { timestamp: "soon", ..SENT }, KEY, now), Err(Refused::Headers));
    }
}
