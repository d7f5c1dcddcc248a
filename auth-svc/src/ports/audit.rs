//! The audit trail, as the use cases need it kept. It is written by the changes that it tells of.

use std::future::Future;

use svc_kit::clock::Timestamp;

use super::StoreError;
use crate::domain::audit::{AuditEntry, AuditFilter};

/// Keeps the audit trail.
pub trait AuditStore: Send + Sync + 'static {
    /// Lists numbered entries, newest first, older than the one numbered `before`.
    fn audit_entries(
        &self,
        filter: &AuditFilter,
        before: i64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(i64, AuditEntry)>, StoreError>> + Send;
    /// Forgets entries from before a moment, as many as are forgotten at once; returns how many.
    fn forget_audit_entries(&self, before: Timestamp) -> impl Future<Output = Result<u64, StoreError>> + Send;
}
