//! Manages tenants, and remembers for a moment what they are set to: every page asks.
//!
//! A suspended tenant is closed in session-svc, which ends all its sessions and refuses new ones. The order to do so is
//! written with the change and carried out until it is done ([`super::revocations`]). It says that the state changed, not
//! what it became: whoever carries it out looks, and looks again afterwards, so that of a suspension and a resumption at
//! once the one that came last holds, in whatever order they are carried out.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use proto::session::v1 as pb;
use svc_kit::{access::Caller, clock::Timestamp};

use super::{Adapters, Auth};
use crate::{
    domain::{
        event::What,
        tenant::{Tenant, UnkeptSso},
    },
    error::AuthError,
    ports::{Sessions as _, StoreError, TenantStore as _},
};

/// How often a change is tried when others change the same tenant at the same time.
const TRIES: usize = 8;
/// How long a replica goes on with what it knows. That a suspended tenant has no sessions does not hang on it.
const REMEMBERED: Duration = Duration::from_secs(5);
/// Most tenants that are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// Tenants as they were a moment ago.
#[derive(Default)]
pub struct KnownTenants(Mutex<HashMap<String, (Arc<Tenant>, Timestamp)>>);

impl KnownTenants {
    fn get(&self, id: &str) -> Option<(Arc<Tenant>, Timestamp)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn put(&self, tenant: Tenant, now: Timestamp) -> Arc<Tenant> {
        let tenant = Arc::new(tenant);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(tenant.id.clone(), (tenant.clone(), now));
        tenant
    }

    fn forget(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

impl<A: Adapters> Auth<A> {
    /// Returns a tenant whose users may sign in, as it was a moment ago at most; if the store is away, as it was last.
    ///
    /// # Errors
    /// [`AuthError::TenantNotFound`], [`AuthError::TenantSuspended`], or a failure of the store.
    pub async fn open_tenant(&self, id: &str) -> Result<Arc<Tenant>, AuthError> {
        let tenant = self.known_tenant(id).await?;
        if tenant.is_suspended { Err(AuthError::TenantSuspended) } else { Ok(tenant) }
    }

    /// Says whether a browser stays signed in to a tenant although its user did not ask for it.
    ///
    /// # Errors
    /// As for [`Self::open_tenant`].
    pub async fn keeps_browsers(&self, tenant: &str) -> Result<bool, AuthError> {
        Ok(self.open_tenant(tenant).await?.settings.unkept_sso == UnkeptSso::Browser)
    }

    /// Says whether an SSO session is there for whatever comes, and not only for the request that it was made for.
    ///
    /// # Errors
    /// As for [`Self::open_tenant`].
    pub async fn serves_others(&self, sso: &pb::Session) -> Result<bool, AuthError> {
        Ok(sso.keep_signed_in || self.keeps_browsers(&sso.tenant_id).await?)
    }

    async fn known_tenant(&self, id: &str) -> Result<Arc<Tenant>, AuthError> {
        let now = self.clock.now();
        let known = self.tenants.get(id);
        if let Some((tenant, since)) = &known
            && now.duration_since(*since) < REMEMBERED
        {
            return Ok(tenant.clone());
        }
        match (self.store.tenant(id).await, known) {
            (Ok(Some(tenant)), _) => Ok(self.tenants.put(tenant, now)),
            (Ok(None), _) => {
                self.tenants.forget(id);
                Err(AuthError::TenantNotFound)
            }
            (Err(StoreError::Unavailable(_)), Some((tenant, _))) => Ok(tenant),
            (Err(error), _) => Err(error.into()),
        }
    }

    /// Creates a tenant.
    ///
    /// # Errors
    /// [`AuthError::TenantExists`], or a failure of the store.
    pub async fn create_tenant(&self, caller: &Caller, tenant: Tenant) -> Result<Tenant, AuthError> {
        let now = self.clock.now();
        let tenant = Tenant { created_at: now, updated_at: now, ..tenant };
        let event = self.event(&tenant.id, &caller.subject, What::TenantCreated);
        if !self.store.add_tenant(&tenant, &event).await? {
            return Err(AuthError::TenantExists);
        }
        self.carry_out_if(!tenant.session_policy.is_empty()).await;
        Ok(tenant)
    }

    /// Returns a tenant.
    ///
    /// # Errors
    /// [`AuthError::TenantNotFound`], or a failure of the store.
    pub async fn tenant(&self, id: &str) -> Result<Tenant, AuthError> {
        self.store.tenant(id).await?.ok_or(AuthError::TenantNotFound)
    }

    /// Changes a tenant to what `change` makes of it. Of two changes at once the second builds on the first.
    ///
    /// # Errors
    /// [`AuthError::TenantNotFound`], [`AuthError::ChangedMeanwhile`], what `change` finds, or a failure of the store.
    pub async fn update_tenant(
        &self,
        caller: &Caller,
        id: &str,
        fields: &[String],
        change: impl Fn(&Tenant) -> Result<Tenant, AuthError>,
    ) -> Result<Tenant, AuthError> {
        let what = What::TenantUpdated { fields: fields.to_vec() };
        self.change_tenant(caller, id, what, |current| change(current).map(Some)).await
    }

    /// Suspends a tenant; all its sessions end.
    ///
    /// # Errors
    /// [`AuthError::TenantIsDefault`], and as for [`Self::update_tenant`].
    pub async fn suspend_tenant(&self, caller: &Caller, id: &str) -> Result<Tenant, AuthError> {
        if id == self.settings.default_tenant {
            return Err(AuthError::TenantIsDefault);
        }
        self.set_suspended(caller, id, What::TenantSuspended, true).await
    }

    /// Lets the users of a tenant sign in again.
    ///
    /// # Errors
    /// As for [`Self::update_tenant`].
    pub async fn resume_tenant(&self, caller: &Caller, id: &str) -> Result<Tenant, AuthError> {
        self.set_suspended(caller, id, What::TenantResumed, false).await
    }

    async fn set_suspended(
        &self,
        caller: &Caller,
        id: &str,
        what: What,
        is_suspended: bool,
    ) -> Result<Tenant, AuthError> {
        let change = |current: &Tenant| {
            let is_other = current.is_suspended != is_suspended;
            Ok(is_other.then(|| Tenant { is_suspended, ..current.clone() }))
        };
        let changed = self.change_tenant(caller, id, what, change).await?;
        self.carry_out_revocations().await;
        Ok(changed)
    }

    /// `change` returns nothing where there is nothing to change.
    async fn change_tenant(
        &self,
        caller: &Caller,
        id: &str,
        what: What,
        change: impl Fn(&Tenant) -> Result<Option<Tenant>, AuthError>,
    ) -> Result<Tenant, AuthError> {
        for _ in 0..TRIES {
            let current = self.tenant(id).await?;
            let Some(changed) = change(&current)? else { return Ok(current) };
            let event = self.event(id, &caller.subject, what.clone());
            let changed = Tenant { updated_at: event.at, ..changed };
            if self.store.replace_tenant(&changed, &event).await? {
                self.tenants.forget(id);
                self.carry_out_if(changed.session_policy != current.session_policy).await;
                return Ok(changed);
            }
        }
        Err(AuthError::ChangedMeanwhile)
    }

    /// Closes or opens the sessions of a tenant, as its state is.
    pub(super) async fn settle_tenant(&self, id: &str) -> Result<(), AuthError> {
        let state = async || Ok::<_, AuthError>(self.store.tenant(id).await?.is_some_and(|tenant| tenant.is_suspended));
        let mut is_suspended = state().await?;
        loop {
            self.sessions.set_tenant(id, !is_suspended).await?;
            let now = state().await?;
            if now == is_suspended {
                return Ok(());
            }
            is_suspended = now;
        }
    }
}
