//! Signatures of Standard Webhooks over `{id}.{timestamp}.{body}`: HMAC-SHA-256 (`v1`) and Ed25519 (`v1a`).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use svc_kit::{
    clock::Timestamp,
    secret::{constant_time_eq, hmac_sha256},
};
use webhook_svc::domain::signature::{PublicKey, SigningSecret};

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

/// What signatures are checked with.
#[derive(Clone, Debug)]
pub enum Verifier {
    /// A secret that both sides know.
    Secret(SigningSecret),
    /// The public half of a key.
    Key(PublicKey),
}

impl Verifier {
    /// Reads `whsec_…` or `whpk_…`.
    ///
    /// # Errors
    /// Says what is accepted.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let secret = SigningSecret::parse(text).map(Self::Secret);
        let key = || PublicKey::parse(text).map(Self::Key);
        secret.or_else(key).ok_or("neither whsec_ and the base64 of 24 to 64 bytes, nor whpk_ and that of a public key")
    }

    fn takes(&self, message: &[u8], (scheme, signature): &(&str, Vec<u8>)) -> bool {
        match (self, *scheme) {
            (Self::Secret(secret), "v1") => constant_time_eq(signature, &hmac_sha256(secret.as_bytes(), &[message])),
            (Self::Key(key), "v1a") => key.verifies(message, signature),
            _ => false,
        }
    }
}

/// What a webhook presents.
pub(super) struct Signed<'a> {
    pub id: &'a str,
    pub timestamp: &'a str,
    pub signatures: &'a str,
    pub body: &'a [u8],
}

impl Signed<'_> {
    /// Says whether one of the signatures is good for one of `verifiers`, and recent.
    pub(super) fn verify(&self, verifiers: &[Verifier], now: Timestamp) -> Result<(), Refused> {
        let seconds: i64 = self.timestamp.parse().map_err(|_| Refused::Headers)?;
        if self.id.is_empty() || self.signatures.is_empty() {
            return Err(Refused::Headers);
        }
        if seconds.abs_diff(now.as_secs()) > TOLERANCE.as_secs() {
            return Err(Refused::Timestamp);
        }
        let presented: Vec<(&str, Vec<u8>)> = self.signatures.split(' ').filter_map(decode).collect();
        let message = [format!("{}.{}.", self.id, self.timestamp).as_bytes(), self.body].concat();
        let is_good = verifiers.iter().any(|verifier| presented.iter().any(|it| verifier.takes(&message, it)));
        if is_good { Ok(()) } else { Err(Refused::Signature) }
    }
}

/// The scheme and the bytes of an entry.
fn decode(entry: &str) -> Option<(&str, Vec<u8>)> {
    let (scheme, signature) = entry.split_once(',')?;
    Some((scheme, STANDARD.decode(signature).ok()?))
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
        signed.verify(&[Verifier::parse(key).unwrap()], Timestamp::from_ms(now_secs * 1000))
    }

    #[test]
    fn the_published_vector_is_good() {
        assert_eq!(verify(&SENT, KEY, 1_614_265_330), Ok(()));
    }

    #[test]
    fn the_published_vector_of_a_key_is_good() {
        let public = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
        let signatures = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";
        let now = 1_614_265_330;
        assert_eq!(verify(&Signed { signatures, ..SENT }, public, now), Ok(()));
        assert_eq!(verify(&Signed { signatures, body: b"{}", ..SENT }, public, now), Err(Refused::Signature));
        assert_eq!(verify(&Signed { signatures, ..SENT }, KEY, now), Err(Refused::Signature));
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
