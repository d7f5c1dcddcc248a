//! Key sets that applications publish, as the use cases need them.

use std::{future::Future, sync::Arc};

/// Reads key sets at addresses that applications gave. Whoever asks may be anybody, so asking often must cost little.
pub trait KeySets: Send + Sync + 'static {
    /// The key set at an address, a JWK set as JSON: the copy, unless that is old. `None` when it cannot be had.
    fn key_set(&self, uri: &str) -> impl Future<Output = Option<Arc<str>>> + Send;
    /// The key set as it is there now, because a key was not in the copy; `None` when it cannot be had, or was read so short
    /// a time ago that it is not read again.
    fn newer_key_set(&self, uri: &str) -> impl Future<Output = Option<Arc<str>>> + Send;
}
