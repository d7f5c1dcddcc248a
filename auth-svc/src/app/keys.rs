//! Signing keys come and go while tokens are signed: pending → active → retiring → removed.
//!
//! Every process looks after the keys: it reads them, takes the steps that are due, and uses what is there then. A step
//! counts once, whoever takes it, because it is guarded by the state before it. A key is published for much longer than
//! any process takes to look again, so none ever meets a signature by a key that it does not know.

use std::{convert::Infallible, time::Duration};

use svc_kit::{
    clock::Timestamp,
    error::{ServiceError as _, chain},
};

use super::{Adapters, Auth};
use crate::{
    domain::keys::{KeyState, KeyStep, SigningAlgorithm},
    error::AuthError,
    ports::{KeyStore, StoredKey, Tokens},
};

/// How often keys are looked after.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Looks after the keys of a store, for tokens that are signed by them.
pub struct KeyCare<'a, S, T> {
    /// Where they are kept.
    pub store: &'a S,
    /// Who signs by them.
    pub tokens: &'a T,
    /// How long a key signs before the next one is made.
    pub signs_for: Duration,
}

impl<S: KeyStore, T: Tokens> KeyCare<'_, S, T> {
    /// Makes the next key of an algorithm; it signs after it was published for a while. `false` when one waits already.
    ///
    /// # Errors
    /// A failure.
    pub async fn rotate(&self, algorithm: SigningAlgorithm, now: Timestamp) -> Result<bool, AuthError> {
        let key = self.tokens.make(algorithm, KeyState::Pending, now).await?;
        let is_added = self.store.add_key(&key).await?;
        self.look(now).await?;
        Ok(is_added)
    }

    /// Takes the steps that are due, and uses the keys as they are then. An algorithm that has no key gets one at once.
    ///
    /// # Errors
    /// A failure.
    pub async fn look(&self, now: Timestamp) -> Result<(), AuthError> {
        let mut keys = self.store.keys().await?;
        let mut is_changed = false;
        for key in &keys {
            is_changed |= match KeyStep::due(key.state, key.since, now) {
                Some(KeyStep::Activate) => self.store.activate_key(&key.id, now).await?,
                Some(KeyStep::Remove) => self.store.remove_key(&key.id).await?,
                None => false,
            };
        }
        for algorithm in SigningAlgorithm::ALL {
            if let Some(state) = self.wanted(&keys, algorithm, now) {
                // Another replica may be faster; then its key is the one.
                self.store.add_key(&self.tokens.make(algorithm, state, now).await?).await?;
                is_changed = true;
            }
        }
        if is_changed {
            keys = self.store.keys().await?;
        }
        Ok(self.tokens.take(&keys)?)
    }

    /// The key that an algorithm lacks: the first one, or the next one when the one that signs is old.
    fn wanted(&self, keys: &[StoredKey], algorithm: SigningAlgorithm, now: Timestamp) -> Option<KeyState> {
        let of = |state| keys.iter().find(|key| key.algorithm == algorithm && key.state == state);
        match (of(KeyState::Active), of(KeyState::Pending)) {
            (None, None) => Some(KeyState::Active),
            (Some(active), None) if now >= active.since.saturating_add(self.signs_for) => Some(KeyState::Pending),
            _ => None,
        }
    }
}

impl<A: Adapters> Auth<A> {
    /// Looks after our keys.
    pub fn key_care(&self) -> KeyCare<'_, A::Store, A::Tokens> {
        KeyCare { store: &self.store, tokens: &self.tokens, signs_for: self.settings.keys_sign_for }
    }

    /// Looks after the keys for ever.
    pub async fn keep_looking_after_keys(&self) -> Infallible {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Err(error) = self.key_care().look(self.clock.now()).await {
                tracing::warn!(
                    error = chain(&error),
                    reason = error.reason(),
                    "the signing keys cannot be looked after"
                );
            }
        }
    }
}
