//! Proof Key for Code Exchange (RFC 7636), method S256 only.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use svc_kit::secret;

/// Says whether a text can be a challenge: the base64url of 32 bytes.
pub fn is_challenge(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

/// Says whether `verifier` fits `challenge`.
pub fn fits(verifier: &str, challenge: &str) -> bool {
    let is_verifier = (43..=128).contains(&verifier.len())
        && verifier.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c));
    let computed = URL_SAFE_NO_PAD.encode(secret::sha256(verifier.as_bytes()));
    is_verifier && secret::constant_time_eq(computed.as_bytes(), challenge.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_fits() {
        let (verifier, challenge) =
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(is_challenge(challenge) && fits(verifier, challenge));
        assert!(!fits(verifier, &challenge.to_lowercase()) && !fits("short", challenge) && !is_challenge("x"));
    }
}
