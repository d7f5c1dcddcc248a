//! Pushed authorization requests, as the use cases need them kept.

use std::future::Future;

use svc_kit::clock::Timestamp;

use super::StoreError;
use crate::domain::pushed::Pushed;

/// Keeps pushed requests under the hash of their reference.
pub trait PushedStore: Send + Sync + 'static {
    /// Keeps a request; forgets those that are long over.
    fn add_pushed(
        &self,
        hash: [u8; 32],
        pushed: &Pushed,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Returns a request.
    fn pushed(&self, hash: [u8; 32]) -> impl Future<Output = Result<Option<Pushed>, StoreError>> + Send;
    /// Spends a request: `true` for whoever comes first.
    fn spend_pushed(&self, hash: [u8; 32]) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
