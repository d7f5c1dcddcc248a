//! Session tokens: computed from the record and a server key, never stored.
//!
//! `lkr_` and the base64url of: version (1), key id (1), session id (10), generation (4, big-endian), MAC (32).
//! MAC = HMAC-SHA-256(server key, session id ‖ generation ‖ salt).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use svc_kit::secret;

use super::{id::SessionId, session::Session};

/// What every token starts with.
pub const PREFIX: &str = "lkr_";
/// Characters of a token.
pub const TOKEN_CHARS: usize = 68;

const VERSION: u8 = 1;
const BYTES: usize = 2 + SessionId::BYTES + 4 + 32;

/// A text that is not a token of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a session token")]
pub struct Malformed;

/// A token as it was presented. Not genuine until [`ServerKeys::is_genuine`] says so.
#[derive(Clone, PartialEq, Eq)]
pub struct PresentedToken {
    key_id: u8,
    /// Session that it claims to be of.
    pub session: SessionId,
    /// Generation that it claims to be.
    pub generation: u32,
    mac: [u8; 32],
}

impl std::fmt::Debug for PresentedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PresentedToken").field("session", &self.session).field("generation", &self.generation).finish()
    }
}

impl PresentedToken {
    /// Reads the text form.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let encoded = text.strip_prefix(PREFIX).filter(|_| text.len() == TOKEN_CHARS).ok_or(Malformed)?;
        let bytes: [u8; BYTES] =
            URL_SAFE_NO_PAD.decode(encoded).ok().and_then(|b| b.try_into().ok()).ok_or(Malformed)?;
        let [VERSION, key_id, rest @ ..] = bytes else { return Err(Malformed) };
        let (session, rest) = rest.split_at(SessionId::BYTES);
        let (generation, mac) = rest.split_at(4);
        Ok(Self {
            key_id,
            session: SessionId::from_bytes(session).ok_or(Malformed)?,
            generation: u32::from_be_bytes(generation.try_into().map_err(|_| Malformed)?),
            mac: mac.try_into().map_err(|_| Malformed)?,
        })
    }
}

/// The keys that tokens are computed with. The first makes new ones; all are recognised.
pub struct ServerKeys(Vec<(u8, [u8; 32])>);

/// Keys that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("server keys must be <id 0-255>:<64 hex digits>, at least one, no id twice")]
pub struct KeysError;

impl ServerKeys {
    /// Reads keys of the form `<id>:<64 hex digits>`.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn parse(keys: &[SecretString]) -> Result<Self, KeysError> {
        use secrecy::ExposeSecret as _;
        let mut parsed: Vec<(u8, [u8; 32])> = Vec::with_capacity(keys.len());
        for key in keys {
            let (id, hex) = key.expose_secret().split_once(':').ok_or(KeysError)?;
            let id = id.parse().map_err(|_| KeysError)?;
            let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).map_err(|_| KeysError)?;
            if parsed.iter().any(|(other, _)| *other == id) {
                return Err(KeysError);
            }
            parsed.push((id, bytes.try_into().map_err(|_| KeysError)?));
        }
        if parsed.is_empty() { Err(KeysError) } else { Ok(Self(parsed)) }
    }

    /// Returns the token of `session` in `generation`.
    pub fn token(&self, session: &Session, generation: u32) -> SecretString {
        let (key_id, key) = self.0[0];
        let mac = mac(&key, session, generation);
        let id = session.id.to_bytes();
        let bytes = [&[VERSION, key_id][..], &id, &generation.to_be_bytes(), &mac].concat();
        SecretString::from(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Says whether `token` was made by us for `session`, in whatever generation it names.
    pub fn is_genuine(&self, token: &PresentedToken, session: &Session) -> bool {
        let Some((_, key)) = self.0.iter().find(|(id, _)| *id == token.key_id) else { return false };
        token.session == session.id && secret::constant_time_eq(&token.mac, &mac(key, session, token.generation))
    }
}

fn mac(key: &[u8; 32], session: &Session, generation: u32) -> [u8; 32] {
    secret::hmac_sha256(key, &[&session.id.to_bytes(), &generation.to_be_bytes(), &session.token.salt])
}
