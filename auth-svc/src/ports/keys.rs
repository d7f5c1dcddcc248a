//! Signing keys, as the use cases need them kept, made and used.

use std::future::Future;

use serde::Serialize;
use svc_kit::clock::Timestamp;

use super::StoreError;
use crate::domain::{
    event::Event,
    keys::{KeyState, SigningAlgorithm},
};

/// A signing key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// `kid`.
    pub id: String,
    /// What it signs by.
    pub algorithm: SigningAlgorithm,
    /// Where it is in its life.
    pub state: KeyState,
    /// Since when it has been there.
    pub since: Timestamp,
    /// Sealed private key.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Keeps signing keys.
pub trait KeyStore: Send + Sync + 'static {
    /// All signing keys, by id.
    fn keys(&self) -> impl Future<Output = Result<Vec<StoredKey>, StoreError>> + Send;
    /// Adds a key, with the event; `false` when one of its algorithm is in its state already, active or pending.
    fn add_key(&self, key: &StoredKey, event: &Event) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Lets a pending key sign from the time of the event on, and the one that did retire; `false` when it is not pending.
    fn activate_key(&self, id: &str, event: &Event) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Forgets a retiring key, with the event; `false` when it is not retiring.
    fn remove_key(&self, id: &str, event: &Event) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Forgets a key in whatever state, and lets its successor sign instead, one that is kept already or a new one, with the
    /// event; `false` when the key is not in that state any more, or another signs.
    fn revoke_key(
        &self,
        key: &StoredKey,
        successor: Option<&StoredKey>,
        event: &Event,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// Signs and verifies our own tokens.
pub trait Tokens: Send + Sync + 'static {
    /// Signs claims as a JWT of this `typ`.
    ///
    /// # Errors
    /// Says that signing failed.
    fn sign<C: Serialize>(
        &self,
        typ: &'static str,
        algorithm: SigningAlgorithm,
        claims: &C,
    ) -> Result<String, TokensError>;
    /// Returns the claims of a JWT of this `typ` that we signed, whatever its times and audience.
    fn verify(&self, typ: &'static str, token: &str) -> Option<serde_json::Value>;
    /// The public keys, as a JWK set (RFC 7517).
    fn jwks(&self) -> serde_json::Value;
    /// Makes a key; takes a while.
    fn make(
        &self,
        algorithm: SigningAlgorithm,
        state: KeyState,
        now: Timestamp,
    ) -> impl Future<Output = Result<StoredKey, TokensError>> + Send;
    /// Takes the keys as they are kept now.
    ///
    /// # Errors
    /// A key cannot be opened, or an algorithm has none that signs; then all is as before.
    fn take(&self, stored: &[StoredKey]) -> Result<(), TokensError>;
}

/// A token cannot be signed.
#[derive(Debug, thiserror::Error)]
#[error("a token cannot be signed")]
pub struct TokensError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
