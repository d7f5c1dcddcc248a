//! API keys in memory.

use svc_kit::clock::Timestamp;

use super::MemoryStore;
use crate::{
    domain::{
        api_key::{ApiKey, ApiKeyId},
        event::Event,
    },
    ports::{ApiKeyStore, StoreError},
};

impl ApiKeyStore for MemoryStore {
    async fn add_api_key(&self, key: &ApiKey, event: &Event) -> Result<(), StoreError> {
        let mut tables = self.lock();
        tables.api_keys.insert(key.id.clone(), key.clone());
        self.record(&mut tables, event);
        Ok(())
    }

    async fn api_key(&self, id: &ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        Ok(self.lock().api_keys.get(id).cloned())
    }

    async fn api_keys(&self, tenant: &str, after: &str, limit: usize) -> Result<Vec<ApiKey>, StoreError> {
        let tables = self.lock();
        let chosen = tables.api_keys.values().filter(|key| key.tenant == tenant && key.id.as_str() > after);
        Ok(chosen.take(limit).cloned().collect())
    }

    async fn replace_api_key(&self, key: &ApiKey, event: &Event) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        let Some(kept) = tables.api_keys.get_mut(&key.id) else { return Ok(false) };
        if kept.revision != key.revision {
            return Ok(false);
        }
        let last_used_at = kept.last_used_at;
        *kept = ApiKey { revision: key.revision + 1, last_used_at, ..key.clone() };
        self.record(&mut tables, event);
        Ok(true)
    }

    async fn delete_api_key(&self, id: &ApiKeyId, event: &Event) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        if tables.api_keys.remove(id).is_none() {
            return Ok(false);
        }
        self.record(&mut tables, event);
        Ok(true)
    }

    async fn api_key_used(&self, id: &ApiKeyId, at: Timestamp) -> Result<(), StoreError> {
        if let Some(key) = self.lock().api_keys.get_mut(id) {
            key.last_used_at = key.last_used_at.max(Some(at));
        }
        Ok(())
    }
}
