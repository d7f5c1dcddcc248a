//! Signing keys come and go while tokens are signed: pending → active → retiring → removed.
//!
//! Every process looks after the keys: it reads them, takes the steps that are due, and uses what is there then. A step
//! counts once, whoever takes it, because it is guarded by the state before it. A key is published for much longer than
//! any process takes to look again, so none ever meets a signature by a key that it does not know. Only a key that leaked
//! goes without that courtesy ([`revoke`]).

mod revoke;

use std::{convert::Infallible, time::Duration};

use svc_kit::{
    access::Caller,
    clock::Timestamp,
    error::{ServiceError as _, chain},
    origin,
};

use super::{Adapters, Auth};
use crate::{
    domain::{
        event::{Event, What},
        keys::{KeyState, KeyStep, SigningAlgorithm},
    },
    error::AuthError,
    ports::{KeyStore, StoredKey, Tokens},
};

/// How often keys are looked after, and so how long another replica may still accept a key that was revoked.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Looks after the keys of a store, for tokens that are signed by them.
pub struct KeyCare<'a, S, T> {
    /// Where they are kept.
    pub store: &'a S,
    /// Who signs by them.
    pub tokens: &'a T,
    /// How long a key signs before the next one is made.
    pub signs_for: Duration,
    /// The tenant whose audit trail says what happens to them.
    pub tenant: &'a str,
}

impl<S: KeyStore, T: Tokens> KeyCare<'_, S, T> {
    /// Makes the next key of an algorithm; it signs after it was published for a while. `false` when one waits already.
    ///
    /// # Errors
    /// A failure.
    pub async fn rotate(&self, actor: &str, algorithm: SigningAlgorithm, now: Timestamp) -> Result<bool, AuthError> {
        let key = self.tokens.make(algorithm, KeyState::Pending, now).await?;
        let is_added = self.store.add_key(&key, &self.event(actor, now, What::KeyCreated(key.id.clone()))).await?;
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
                Some(KeyStep::Activate) => {
                    let what = What::KeyRotated { key: key.id.clone(), algorithm: key.algorithm };
                    self.store.activate_key(&key.id, &self.event("", now, what)).await?
                }
                Some(KeyStep::Remove) => {
                    let what = What::KeyRemoved(key.id.clone());
                    self.store.remove_key(&key.id, &self.event("", now, what)).await?
                }
                None => false,
            };
        }
        for algorithm in SigningAlgorithm::ALL {
            if let Some(state) = self.wanted(&keys, algorithm, now) {
                let key = self.tokens.make(algorithm, state, now).await?;
                // Another replica may be faster; then its key is the one.
                self.store.add_key(&key, &self.event("", now, What::KeyCreated(key.id.clone()))).await?;
                is_changed = true;
            }
        }
        if is_changed {
            keys = self.store.keys().await?;
        }
        Ok(self.tokens.take(&keys)?)
    }

    fn event(&self, actor: &str, at: Timestamp, what: What) -> Event {
        let from = origin::current().map(|address| address.to_string()).unwrap_or_default();
        Event { at, tenant: self.tenant.to_owned(), actor: actor.to_owned(), from, what }
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
        let (signs_for, tenant) = (self.settings.keys_sign_for, self.settings.default_tenant.as_str());
        KeyCare { store: &self.store, tokens: &self.tokens, signs_for, tenant }
    }

    /// The keys that are published, by id.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn signing_keys(&self) -> Result<Vec<StoredKey>, AuthError> {
        Ok(self.store.keys().await?)
    }

    /// Makes the next key of an algorithm, unless one waits; returns the one that waits then, and whether it did before.
    ///
    /// # Errors
    /// [`AuthError::ChangedMeanwhile`] when it begins to sign at this moment, or a failure.
    pub async fn rotate_key(
        &self,
        caller: &Caller,
        algorithm: SigningAlgorithm,
    ) -> Result<(StoredKey, bool), AuthError> {
        // One that is due signs from now on, and does not wait any more.
        self.key_care().look(self.clock.now()).await?;
        let is_next = |key: &StoredKey| key.algorithm == algorithm && key.state == KeyState::Pending;
        if let Some(waiting) = self.store.keys().await?.into_iter().find(is_next) {
            return Ok((waiting, true));
        }
        let is_made = self.key_care().rotate(&caller.subject, algorithm, self.clock.now()).await?;
        let next = self.store.keys().await?.into_iter().find(is_next);
        Ok((next.ok_or(AuthError::ChangedMeanwhile)?, !is_made))
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
