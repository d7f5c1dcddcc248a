//! Tenants in memory.

use std::ops::Bound;

use svc_kit::clock::Timestamp;

use super::MemoryStore;
use crate::{
    domain::{event::Event, tenant::Tenant},
    ports::{RevocationReason, StoreError, TenantStore},
};

impl TenantStore for MemoryStore {
    async fn ensure_tenant(&self, id: &str, name: &str) -> Result<(), StoreError> {
        let tenant = || Tenant::new(id, name, Timestamp::EPOCH);
        self.lock().tenants.entry(id.to_owned()).or_insert_with(tenant);
        Ok(())
    }

    async fn has_tenant(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.lock().tenants.contains_key(id))
    }

    async fn add_tenant(&self, tenant: &Tenant, event: &Event) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        if tables.tenants.contains_key(&tenant.id) {
            return Ok(false);
        }
        tables.tenants.insert(tenant.id.clone(), tenant.clone());
        if !tenant.session_policy.is_empty() {
            tables.order_policy(&tenant.id, "");
        }
        self.record(&mut tables, event);
        Ok(true)
    }

    async fn tenant(&self, id: &str) -> Result<Option<Tenant>, StoreError> {
        Ok(self.lock().tenants.get(id).cloned())
    }

    async fn tenants(&self, after: &str, limit: usize) -> Result<Vec<Tenant>, StoreError> {
        let start = Bound::Excluded(after.to_owned());
        let tables = self.lock();
        Ok(tables.tenants.range((start, Bound::Unbounded)).map(|(_, tenant)| tenant).take(limit).cloned().collect())
    }

    async fn replace_tenant(&self, tenant: &Tenant, event: &Event) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        let Some(kept) = tables.tenants.get_mut(&tenant.id) else { return Ok(false) };
        if kept.revision != tenant.revision {
            return Ok(false);
        }
        let is_other_state = kept.is_suspended != tenant.is_suspended;
        let is_other_policy = kept.session_policy != tenant.session_policy;
        *kept = Tenant { revision: tenant.revision + 1, ..tenant.clone() };
        if is_other_state {
            tables.order(tenant.id.clone(), String::new(), String::new(), RevocationReason::TenantState);
        }
        if is_other_policy {
            tables.order_policy(&tenant.id, "");
        }
        self.record(&mut tables, event);
        Ok(true)
    }
}
