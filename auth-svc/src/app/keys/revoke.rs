//! A signing key that leaked goes at once: whoever has it can sign whatever our tokens say.
//!
//! Its removal and the next key's beginning are one step of the store, so there is always one key that signs. That key was
//! not published before, or not for long; whoever meets it asks for the published keys again. That is better than to go on
//! believing a thief.

use svc_kit::{access::Caller, clock::Timestamp};

use super::KeyCare;
use crate::{
    app::{Adapters, Auth},
    domain::{event::What, keys::KeyState},
    error::AuthError,
    ports::{KeyStore, StoredKey, Tokens},
};

/// How often a revocation is tried when the keys change at the same time.
const TRIES: usize = 8;

impl<S: KeyStore, T: Tokens> KeyCare<'_, S, T> {
    /// Forgets a key, in whatever state it is; returns the one that signs by its algorithm then.
    ///
    /// # Errors
    /// [`AuthError::SigningKeyNotFound`], [`AuthError::ChangedMeanwhile`], or a failure.
    pub async fn revoke(&self, actor: &str, id: &str, now: Timestamp) -> Result<StoredKey, AuthError> {
        for _ in 0..TRIES {
            let keys = self.store.keys().await?;
            let key = keys.iter().find(|key| key.id == id).ok_or(AuthError::SigningKeyNotFound)?;
            let successor = self.successor(&keys, key, now).await?;
            let what = What::KeyRevoked {
                key: key.id.clone(),
                algorithm: key.algorithm,
                successor: successor.as_ref().map(|next| next.id.clone()).unwrap_or_default(),
            };
            if self.store.revoke_key(key, successor.as_ref(), &self.event(actor, now, what)).await? {
                self.look(now).await?;
                let is_signing =
                    |other: &&StoredKey| other.algorithm == key.algorithm && other.state == KeyState::Active;
                let active = successor.or_else(|| keys.iter().find(is_signing).cloned());
                return active.ok_or(AuthError::ChangedMeanwhile);
            }
        }
        Err(AuthError::ChangedMeanwhile)
    }

    /// What signs instead of a key that does: the one that waits, or a new one.
    async fn successor(
        &self,
        keys: &[StoredKey],
        leaked: &StoredKey,
        now: Timestamp,
    ) -> Result<Option<StoredKey>, AuthError> {
        if leaked.state != KeyState::Active {
            return Ok(None);
        }
        let is_waiting = |key: &&StoredKey| key.algorithm == leaked.algorithm && key.state == KeyState::Pending;
        Ok(Some(match keys.iter().find(is_waiting) {
            Some(waiting) => StoredKey { state: KeyState::Active, since: now, ..waiting.clone() },
            None => self.tokens.make(leaked.algorithm, KeyState::Active, now).await?,
        }))
    }
}

impl<A: Adapters> Auth<A> {
    /// Forgets a key that leaked; returns the one that signs by its algorithm then.
    ///
    /// # Errors
    /// As for [`KeyCare::revoke`].
    pub async fn revoke_key(&self, caller: &Caller, id: &str) -> Result<StoredKey, AuthError> {
        self.key_care().revoke(&caller.subject, id, self.clock.now()).await
    }
}
