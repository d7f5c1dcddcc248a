//! What may be presented once only, as the use cases need it remembered.

use std::future::Future;

use svc_kit::clock::Timestamp;

use super::StoreError;

/// Remembers what was presented.
pub trait ReplayStore: Send + Sync + 'static {
    /// Says whether nobody presented this before, and remembers it until it ends.
    fn is_first(
        &self,
        hash: [u8; 32],
        now: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Forgets what is over, a part at a time; says how many that were, 0 when nothing is left.
    fn forget_presented(&self, now: Timestamp) -> impl Future<Output = Result<u64, StoreError>> + Send;
}
