//! All policies of a deployment.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{Layers, PolicyScope, StoredPolicy};
use crate::domain::id::{ApplicationId, TenantId};

/// The policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicySet {
    /// Every change up to this version is in it.
    pub version: u64,
    tenants: HashMap<TenantId, OfTenant>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OfTenant {
    own: Option<Arc<StoredPolicy>>,
    applications: BTreeMap<ApplicationId, Arc<StoredPolicy>>,
}

impl PolicySet {
    /// Puts a policy in the place of an older one.
    pub fn insert(&mut self, stored: StoredPolicy) {
        if self.get(&stored.scope).is_some_and(|present| present.version > stored.version) {
            return;
        }
        let of_tenant = self.tenants.entry(stored.scope.tenant.clone()).or_default();
        match stored.scope.application.clone() {
            None => of_tenant.own = Some(Arc::new(stored)),
            Some(application) => drop(of_tenant.applications.insert(application, Arc::new(stored))),
        }
    }

    /// Returns the policy of a scope.
    pub fn get(&self, scope: &PolicyScope) -> Option<&Arc<StoredPolicy>> {
        let of_tenant = self.tenants.get(&scope.tenant)?;
        match &scope.application {
            None => of_tenant.own.as_ref(),
            Some(application) => of_tenant.applications.get(application),
        }
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.tenants.values().map(|of| usize::from(of.own.is_some()) + of.applications.len()).sum()
    }

    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }

    /// Returns the policies that concern sessions of a tenant, in an application of it where one is given.
    pub fn around(&self, tenant: &TenantId, application: Option<&ApplicationId>) -> Layers<'_> {
        // Nearly every tenant has none: then this must cost nothing.
        let of_tenant = if self.is_empty() { None } else { self.tenants.get(tenant) };
        let Some(of_tenant) = of_tenant else { return Layers::default() };
        Layers {
            application: application.and_then(|application| of_tenant.applications.get(application)).map(|it| &**it),
            tenant: of_tenant.own.as_deref(),
        }
    }

    /// Lists the policies of a tenant after one of them: its own, then its applications', by id.
    pub fn list<'p>(
        &'p self,
        tenant: &TenantId,
        after: Option<&'p PolicyScope>,
    ) -> impl Iterator<Item = &'p Arc<StoredPolicy>> {
        let of_tenant = self.tenants.get(tenant);
        let own = of_tenant.and_then(|of| of.own.as_ref());
        let applications = of_tenant.into_iter().flat_map(|of| of.applications.values());
        own.into_iter().chain(applications).filter(move |stored| after.is_none_or(|after| stored.scope > *after))
    }
}
