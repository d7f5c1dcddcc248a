//! Secrets at rest: AES-256-GCM under key-encryption keys that can be rotated.
//!
//! A sealed value is `version u8 | key id u8 | nonce 12 bytes | ciphertext and tag`. The context (what the value is and
//! whose) is authenticated with it, so that a sealed value cannot be moved to another row.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use data_encoding::HEXLOWER_PERMISSIVE;
use secrecy::{ExposeSecret as _, SecretString};

use crate::entropy::{self, Entropy};

const VERSION: u8 = 1;
const HEADER_LEN: usize = 2;

/// Why a value cannot be sealed or opened, or why keys cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The configured text is not `<id>:<64 hex digits>`.
    #[error("a sealing key must be <id 0-255>:<64 hex digits>")]
    MalformedKey,
    /// No key was given.
    #[error("at least one sealing key is needed")]
    NoKey,
    /// Two keys have one id.
    #[error("two sealing keys have the same id")]
    DuplicateKey,
    /// The value was sealed under a key that is not configured.
    #[error("the value is sealed under unknown key {0}")]
    UnknownKey(u8),
    /// The value is damaged, moved, or not a sealed value.
    #[error("the value cannot be opened")]
    Damaged,
}

/// Key-encryption keys: the first seals, all open.
pub struct SealKeys(Vec<(u8, LessSafeKey)>);

impl std::fmt::Debug for SealKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(id, _)| id)).finish()
    }
}

impl SealKeys {
    /// Reads keys of the form `<id>:<64 hex digits>`; the first is the current one.
    ///
    /// # Errors
    /// [`SealError`] when a key is malformed, or there is none, or two share an id.
    pub fn parse(keys: &[SecretString]) -> Result<Self, SealError> {
        let mut parsed: Vec<(u8, LessSafeKey)> = Vec::with_capacity(keys.len());
        for key in keys {
            let (id, hex) = key.expose_secret().split_once(':').ok_or(SealError::MalformedKey)?;
            let id = id.parse().map_err(|_| SealError::MalformedKey)?;
            let bytes = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).map_err(|_| SealError::MalformedKey)?;
            let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| SealError::MalformedKey)?;
            if parsed.iter().any(|(other, _)| *other == id) {
                return Err(SealError::DuplicateKey);
            }
            parsed.push((id, LessSafeKey::new(key)));
        }
        if parsed.is_empty() { Err(SealError::NoKey) } else { Ok(Self(parsed)) }
    }

    /// Seals `plain` for `context` under the current key.
    ///
    /// # Errors
    /// [`SealError::Damaged`] when `plain` is too long for the cipher (64 GiB).
    pub fn seal(&self, entropy: &dyn Entropy, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let (id, key) = self.0.first().ok_or(SealError::NoKey)?;
        let nonce: [u8; NONCE_LEN] = entropy::bytes(entropy);
        let mut sealed = plain.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad(*id, context), &mut sealed)
            .map_err(|_| SealError::Damaged)?;
        Ok([&[VERSION, *id][..], &nonce, &sealed].concat())
    }

    /// Opens what [`seal`](Self::seal) made for the same `context`.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`] or [`SealError::Damaged`].
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (header, rest) = sealed.split_at_checked(HEADER_LEN).ok_or(SealError::Damaged)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_LEN).ok_or(SealError::Damaged)?;
        let &[VERSION, id] = header else { return Err(SealError::Damaged) };
        let (_, key) = self.0.iter().find(|(other, _)| *other == id).ok_or(SealError::UnknownKey(id))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Damaged)?;
        let mut plain = ciphertext.to_vec();
        let length = key.open_in_place(nonce, aad(id, context), &mut plain).map_err(|_| SealError::Damaged)?.len();
        plain.truncate(length);
        Ok(plain)
    }
}

fn aad(id: u8, context: &[u8]) -> Aad<Vec<u8>> {
    Aad::from([&[VERSION, id][..], context].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    fn keys(texts: &[&str]) -> Result<SealKeys, SealError> {
        SealKeys::parse(&texts.iter().map(|text| SecretString::from(*text)).collect::<Vec<_>>())
    }

    fn key(id: u8, digit: char) -> String {
        format!("{id}:{}", digit.to_string().repeat(64))
    }

    #[test]
    fn old_keys_open_and_the_first_seals() {
        let entropy = SeededEntropy::new(1);
        let sealed = keys(&[&key(1, 'a')]).unwrap().seal(&entropy, b"row 1", b"secret").unwrap();
        let rotated = keys(&[&key(2, 'b'), &key(1, 'a')]).unwrap();
        assert_eq!(rotated.open(b"row 1", &sealed).unwrap(), b"secret");
        assert_eq!(rotated.seal(&entropy, b"row 1", b"secret").unwrap()[1], 2);
        assert_eq!(keys(&[&key(2, 'b')]).unwrap().open(b"row 1", &sealed), Err(SealError::UnknownKey(1)));
    }

    #[test]
    fn a_changed_or_moved_value_does_not_open() {
        let keys = keys(&[&key(1, 'a')]).unwrap();
        let sealed = keys.seal(&SeededEntropy::new(1), b"row 1", b"secret").unwrap();
        assert_eq!(keys.open(b"row 2", &sealed), Err(SealError::Damaged));
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(keys.open(b"row 1", &changed).is_err(), "byte {position} may be changed");
            assert!(keys.open(b"row 1", &sealed[..position]).is_err());
        }
    }

    #[test]
    fn malformed_keys_are_refused() {
        for text in ["", "1", "1:", "1:zz", "300:aa", &format!("x{}", key(1, 'a')), &key(1, 'a')[..40]] {
            assert_eq!(keys(&[text]).err(), Some(SealError::MalformedKey), "{text:?}");
        }
        assert_eq!(keys(&[]).err(), Some(SealError::NoKey));
        assert_eq!(keys(&[&key(1, 'a'), &key(1, 'b')]).err(), Some(SealError::DuplicateKey));
    }
}
