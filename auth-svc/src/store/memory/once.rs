//! What is good once, in memory: identifiers of proofs, and pushed requests.

use std::collections::HashMap;

use svc_kit::clock::Timestamp;

use super::MemoryStore;
use crate::{
    domain::pushed::Pushed,
    ports::{PushedStore, ReplayStore, StoreError},
    store::CODE_KEPT,
};

/// What was presented or pushed.
#[derive(Default)]
pub(super) struct Once {
    presented: HashMap<[u8; 32], Timestamp>,
    pushed: HashMap<[u8; 32], Pushed>,
}

impl ReplayStore for MemoryStore {
    async fn is_first(&self, hash: [u8; 32], now: Timestamp, until: Timestamp) -> Result<bool, StoreError> {
        let presented = &mut self.lock().once.presented;
        let is_first = presented.get(&hash).is_none_or(|until| *until <= now);
        if is_first {
            presented.insert(hash, until);
        }
        Ok(is_first)
    }

    async fn forget_presented(&self, now: Timestamp) -> Result<u64, StoreError> {
        let presented = &mut self.lock().once.presented;
        let before = presented.len();
        presented.retain(|_, until| now < *until);
        Ok(u64::try_from(before - presented.len()).unwrap_or(u64::MAX))
    }
}

impl PushedStore for MemoryStore {
    async fn add_pushed(&self, hash: [u8; 32], pushed: &Pushed, now: Timestamp) -> Result<(), StoreError> {
        let kept = &mut self.lock().once.pushed;
        let long_over = now.saturating_sub(CODE_KEPT);
        kept.retain(|_, pushed| pushed.expires_at >= long_over);
        kept.insert(hash, pushed.clone());
        Ok(())
    }

    async fn pushed(&self, hash: [u8; 32]) -> Result<Option<Pushed>, StoreError> {
        Ok(self.lock().once.pushed.get(&hash).cloned())
    }

    async fn spend_pushed(&self, hash: [u8; 32]) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        let Some(pushed) = tables.once.pushed.get_mut(&hash) else { return Ok(false) };
        Ok(!std::mem::replace(&mut pushed.is_spent, true))
    }
}
