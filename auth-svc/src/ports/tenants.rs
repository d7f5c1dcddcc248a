//! Tenants, as the use cases need them kept.

use std::future::Future;

use super::StoreError;
use crate::domain::{event::Event, tenant::Tenant};

/// Keeps tenants.
pub trait TenantStore: Send + Sync + 'static {
    /// Adds a tenant unless there is one of this id; tells nobody.
    fn ensure_tenant(&self, id: &str, name: &str) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Says whether there is such a tenant.
    fn has_tenant(&self, id: &str) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Adds a tenant and its event, and the order to put its session policy in force if it has one; `false` when the id is
    /// taken.
    fn add_tenant(&self, tenant: &Tenant, event: &Event) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Returns a tenant.
    fn tenant(&self, id: &str) -> impl Future<Output = Result<Option<Tenant>, StoreError>> + Send;
    /// Lists tenants by id, after one.
    fn tenants(&self, after: &str, limit: usize) -> impl Future<Output = Result<Vec<Tenant>, StoreError>> + Send;
    /// Replaces a tenant, with the event; `false` when it is not of the same revision any more. The revision grows. Where it
    /// is suspended or resumed, the order to close or open its sessions is written too; where its session policy changes, the
    /// order to put that in force.
    fn replace_tenant(&self, tenant: &Tenant, event: &Event) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
