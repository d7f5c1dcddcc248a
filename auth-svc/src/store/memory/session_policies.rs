//! Session policies in memory.

use super::MemoryStore;
use crate::{
    domain::session_policy::{PolicyScope, SessionPolicy},
    ports::{SessionPolicyStore, StoreError},
};

impl SessionPolicyStore for MemoryStore {
    async fn session_policies(
        &self,
        after: &PolicyScope,
        limit: usize,
    ) -> Result<Vec<(PolicyScope, SessionPolicy)>, StoreError> {
        let tables = self.lock();
        let of_tenants = tables.tenants.values().map(|tenant| {
            let scope = PolicyScope { tenant: tenant.id.clone(), application: String::new() };
            (scope, tenant.session_policy.clone())
        });
        let of_applications = tables.applications.values().map(|application| {
            let scope = PolicyScope { tenant: application.tenant.clone(), application: application.id.clone() };
            (scope, application.session_policy.clone())
        });
        let all = of_tenants.chain(of_applications);
        let mut chosen: Vec<_> = all.filter(|(scope, policy)| !policy.is_empty() && scope > after).collect();
        chosen.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        chosen.truncate(limit);
        Ok(chosen)
    }
}
