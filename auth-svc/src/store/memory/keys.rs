//! Signing keys in memory.

use super::MemoryStore;
use crate::{
    domain::{event::Event, keys::KeyState},
    ports::{KeyStore, StoreError, StoredKey},
};

impl KeyStore for MemoryStore {
    async fn keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        let mut keys = self.lock().keys.clone();
        keys.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        Ok(keys)
    }

    async fn add_key(&self, key: &StoredKey, event: &Event) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        let is_taken = |other: &StoredKey| other.algorithm == key.algorithm && other.state == key.state;
        let is_free = key.state == KeyState::Retiring || !tables.keys.iter().any(is_taken);
        if is_free {
            tables.keys.push(key.clone());
            self.record(&mut tables, event);
        }
        Ok(is_free)
    }

    async fn activate_key(&self, id: &str, event: &Event) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        let pending = tables.keys.iter().find(|key| key.id == id && key.state == KeyState::Pending);
        let Some(algorithm) = pending.map(|key| key.algorithm) else { return Ok(false) };
        for key in tables.keys.iter_mut().filter(|key| key.algorithm == algorithm) {
            let next = match key.state {
                _ if key.id == id => KeyState::Active,
                KeyState::Active => KeyState::Retiring,
                _ => continue,
            };
            (key.state, key.since) = (next, event.at);
        }
        self.record(&mut tables, event);
        Ok(true)
    }

    async fn remove_key(&self, id: &str, event: &Event) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        let before = tables.keys.len();
        tables.keys.retain(|key| key.id != id || key.state != KeyState::Retiring);
        let is_removed = tables.keys.len() < before;
        if is_removed {
            self.record(&mut tables, event);
        }
        Ok(is_removed)
    }
    async fn revoke_key(
        &self,
        key: &StoredKey,
        successor: Option<&StoredKey>,
        event: &Event,
    ) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        let is_it = |other: &StoredKey| other.id == key.id && other.state == key.state;
        let is_in_the_way = |other: &StoredKey| {
            other.algorithm == key.algorithm && other.state == KeyState::Active && other.id != key.id
        };
        let is_taken = successor.is_some() && tables.keys.iter().any(is_in_the_way);
        if is_taken || !tables.keys.iter().any(is_it) {
            return Ok(false);
        }
        tables.keys.retain(|other| other.id != key.id && successor.is_none_or(|next| next.id != other.id));
        tables.keys.extend(successor.cloned());
        self.record(&mut tables, event);
        Ok(true)
    }
}
