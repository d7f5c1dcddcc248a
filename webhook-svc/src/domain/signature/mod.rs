//! Standard Webhooks signatures of `{webhook-id}.{webhook-timestamp}.{body}`: `v1` with a secret that both sides know, `v1a` with
//! a key of ours whose public half anyone may know.

mod key;
mod secret;

use base64::{Engine as _, engine::general_purpose::STANDARD};

pub use self::{
    key::{PublicKey, SigningKey},
    secret::SigningSecret,
};

/// How the requests to an endpoint are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// `v1`.
    #[default]
    Hmac,
    /// `v1a`.
    Ed25519,
    /// Both.
    Both,
}

impl Scheme {
    /// Says whether it needs a secret.
    pub fn has_secret(self) -> bool {
        self != Self::Ed25519
    }

    /// Says whether it needs a key.
    pub fn has_key(self) -> bool {
        self != Self::Hmac
    }
}

/// What signs.
#[derive(Debug)]
pub enum Signer {
    /// Makes `v1` signatures.
    Secret(SigningSecret),
    /// Makes `v1a` signatures.
    Key(SigningKey),
}

impl Signer {
    /// One entry of the list. It always has its comma: verifiers are known to fail without.
    fn entry(&self, signed: &[&[u8]]) -> String {
        match self {
            Self::Secret(secret) => format!("v1,{}", STANDARD.encode(secret.sign(signed))),
            Self::Key(key) => format!("v1a,{}", STANDARD.encode(key.sign(&signed.concat()))),
        }
    }
}

/// Signs a message with each of `signers`; returns the value of `webhook-signature`.
pub fn sign(signers: &[Signer], id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let timestamp = timestamp_s.to_string();
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    signers.iter().map(|signer| signer.entry(&signed)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors that Standard Webhooks publishes.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const PUBLIC: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const V1: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const V1A: &str = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";

    fn secret(byte: u8) -> Signer {
        Signer::Secret(SigningSecret::from_bytes(vec![byte; 32]))
    }

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_seed(&[byte; 32]).unwrap()
    }

    #[test]
    fn the_published_secret_makes_the_published_signature() {
        let signers = [Signer::Secret(SigningSecret::parse(SECRET).unwrap())];
        assert_eq!(sign(&signers, ID, AT, BODY), V1);
    }

    #[test]
    fn the_published_key_takes_the_published_signature_and_no_other() {
        let public = PublicKey::parse(PUBLIC).unwrap();
        let signature = STANDARD.decode(V1A.strip_prefix("v1a,").unwrap()).unwrap();
        let message = [ID.as_bytes(), b".1614265330.", BODY].concat();
        assert!(public.verifies(&message, &signature));
        assert!(!public.verifies(&message[1..], &signature));
        assert!(!key(1).public().verifies(&message, &signature));
        assert_eq!(public.to_string(), PUBLIC);
    }

    #[test]
    fn a_key_signs_what_its_public_half_takes() {
        let key = key(7);
        let public = key.public();
        let signed = sign(&[Signer::Key(key)], ID, AT, BODY);
        let signature = STANDARD.decode(signed.strip_prefix("v1a,").unwrap()).unwrap();
        assert!(public.verifies(&[ID.as_bytes(), b".1614265330.", BODY].concat(), &signature));
    }

    #[test]
    fn everything_that_signs_is_in_the_list_in_order() {
        let signers = [secret(1), Signer::Key(key(1)), secret(2), Signer::Key(key(2))];
        let all = sign(&signers, "a", 1, b"x");
        let each: Vec<String> = signers.chunks(1).map(|signer| sign(signer, "a", 1, b"x")).collect();
        assert_eq!(all, each.join(" "));
        assert!(all.split(' ').all(|entry| entry.matches(',').count() == 1), "{all}");
    }
}
