//! The audit trail in memory, as far back as it is kept.

use svc_kit::clock::Timestamp;

use super::{MemoryStore, Tables};
use crate::{
    contract,
    domain::{
        audit::{AuditEntry, AuditFilter},
        event::Event,
    },
    ports::{AuditStore, StoreError},
};

/// Most entries that are kept.
const ENTRIES_MAX: usize = 10_000;

impl MemoryStore {
    /// Tells an event and puts it on record, as part of the change of `tables` that it tells of.
    pub(super) fn record(&self, tables: &mut Tables, event: &Event) {
        tables.last_audit += 1;
        tables.audit.push_back((tables.last_audit, contract::audit(event)));
        if tables.audit.len() > ENTRIES_MAX {
            tables.audit.pop_front();
        }
        self.outbox.push(contract::message(event));
    }
}

impl AuditStore for MemoryStore {
    async fn audit_entries(
        &self,
        filter: &AuditFilter,
        before: i64,
        limit: usize,
    ) -> Result<Vec<(i64, AuditEntry)>, StoreError> {
        let tables = self.lock();
        let wanted = tables.audit.iter().rev().filter(|(id, entry)| *id < before && filter.wants(entry));
        Ok(wanted.take(limit).cloned().collect())
    }

    async fn forget_audit_entries(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut tables = self.lock();
        let length = tables.audit.len();
        tables.audit.retain(|(_, entry)| before <= entry.at);
        Ok(u64::try_from(length - tables.audit.len()).unwrap_or(u64::MAX))
    }
}
