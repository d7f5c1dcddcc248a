//! Session policies across the directory, as the use cases need them kept.

use std::future::Future;

use super::StoreError;
use crate::domain::session_policy::{PolicyScope, SessionPolicy};

/// Finds the policies that tenants and applications are set to.
pub trait SessionPolicyStore: Send + Sync + 'static {
    /// Lists those that say something, in the order of their scopes, after one.
    fn session_policies(
        &self,
        after: &PolicyScope,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(PolicyScope, SessionPolicy)>, StoreError>> + Send;
}
