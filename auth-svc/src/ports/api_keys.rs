//! API keys, as the use cases need them kept.

use std::future::Future;

use svc_kit::clock::Timestamp;

use super::StoreError;
use crate::domain::{
    api_key::{ApiKey, ApiKeyId},
    event::Event,
};

/// Keeps API keys.
pub trait ApiKeyStore: Send + Sync + 'static {
    /// Adds a key, with the event.
    fn add_api_key(&self, key: &ApiKey, event: &Event) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Returns a key, ended or not.
    fn api_key(&self, id: &ApiKeyId) -> impl Future<Output = Result<Option<ApiKey>, StoreError>> + Send;
    /// Lists keys of a tenant by id, after one.
    fn api_keys(
        &self,
        tenant: &str,
        after: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<ApiKey>, StoreError>> + Send;
    /// Replaces the secrets of a key, with the event; `false` when it is not of the same revision any more. The revision
    /// grows.
    fn replace_api_key(&self, key: &ApiKey, event: &Event) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Deletes a key, with the event; `false` when there is none.
    fn delete_api_key(&self, id: &ApiKeyId, event: &Event) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Notes that a key was used, unless a later use is known.
    fn api_key_used(&self, id: &ApiKeyId, at: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;
}
