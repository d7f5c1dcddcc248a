//! The directory in memory: for development, for tests, and the reference for what the ports mean.

mod api_keys;
mod audit;
mod consents;
mod devices;
mod keys;
mod once;
mod session_policies;
mod tenants;
mod user_registrations;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use svc_kit::{clock::Timestamp, outbox::memory::MemoryOutbox};

use crate::{
    domain::{
        api_key::{ApiKey, ApiKeyId},
        application::Application,
        audit::AuditEntry,
        consent::Consent,
        device::Device,
        event::Event,
        grant::Grant,
        tenant::Tenant,
        user::{Description, Login, User, UserChange, UserId},
        user_registration::UserRegistration,
    },
    ports::{
        ApplicationStore, Described, GrantStore, Revocation, RevocationReason, StoreError, StoredKey, TakenCode,
        UserStore,
    },
};

/// A directory in memory.
#[derive(Default)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
    /// Events that wait for the bus.
    pub outbox: MemoryOutbox,
}

#[derive(Default)]
struct Tables {
    tenants: BTreeMap<String, Tenant>,
    applications: BTreeMap<String, Application>,
    api_keys: BTreeMap<ApiKeyId, ApiKey>,
    users: BTreeMap<UserId, User>,
    consents: BTreeMap<(UserId, String), Consent>,
    user_registrations: BTreeMap<(UserId, String), UserRegistration>,
    keys: Vec<StoredKey>,
    codes: HashMap<[u8; 32], Code>,
    once: once::Once,
    devices: HashMap<[u8; 32], Device>,
    /// With the time when each is due.
    revocations: Vec<(Timestamp, Revocation)>,
    last_revocation: i64,
    /// By number.
    audit: VecDeque<(i64, AuditEntry)>,
    last_audit: i64,
}

impl Tables {
    fn order(&mut self, tenant: String, user: String, application: String, reason: RevocationReason) {
        self.last_revocation += 1;
        let order = Revocation { id: self.last_revocation, tenant, user, application, reason, refusals: 0 };
        self.revocations.push((Timestamp::EPOCH, order));
    }

    fn order_policy(&mut self, tenant: &str, application: &str) {
        let (tenant, application) = (tenant.to_owned(), application.to_owned());
        self.order(tenant, String::new(), application, RevocationReason::SessionPolicy);
    }
}

struct Code {
    grant: Grant,
    expires_at: Timestamp,
    is_used: bool,
    session: String,
}

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ApplicationStore for MemoryStore {
    async fn add_application(&self, application: &Application, event: &Event) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        if tables.applications.contains_key(&application.id) {
            return Ok(false);
        }
        tables.applications.insert(application.id.clone(), application.clone());
        if !application.session_policy.is_empty() {
            tables.order_policy(&application.tenant, &application.id);
        }
        self.record(&mut tables, event);
        Ok(true)
    }

    async fn application(&self, id: &str) -> Result<Option<Application>, StoreError> {
        Ok(self.lock().applications.get(id).cloned())
    }

    async fn applications(&self, tenant: &str, after: &str, limit: usize) -> Result<Vec<Application>, StoreError> {
        let tables = self.lock();
        let chosen = tables.applications.values().filter(|found| found.tenant == tenant && found.id.as_str() > after);
        Ok(chosen.take(limit).cloned().collect())
    }

    async fn replace_application(&self, application: &Application, event: &Event) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        let Some(kept) = tables.applications.get_mut(&application.id) else { return Ok(false) };
        if kept.revision != application.revision {
            return Ok(false);
        }
        let is_other_policy = kept.session_policy != application.session_policy;
        *kept = Application { revision: application.revision + 1, ..application.clone() };
        if is_other_policy {
            tables.order_policy(&application.tenant, &application.id);
        }
        self.record(&mut tables, event);
        Ok(true)
    }

    async fn delete_application(&self, application: &Application, event: &Event) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        if tables.applications.remove(&application.id).is_none() {
            return Ok(false);
        }
        let (tenant, application) = (application.tenant.clone(), application.id.clone());
        tables.consents.retain(|(_, other), _| *other != application);
        tables.user_registrations.retain(|(_, other), _| *other != application);
        tables.order(tenant.clone(), String::new(), application.clone(), RevocationReason::ApplicationRemoved);
        tables.order_policy(&tenant, &application);
        self.record(&mut tables, event);
        Ok(true)
    }
}

impl UserStore for MemoryStore {
    async fn add_user(&self, user: &User, event: &Event) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        if tables.users.values().any(|other| other.tenant == user.tenant && other.login == user.login) {
            return Ok(false);
        }
        tables.users.insert(user.id.clone(), user.clone());
        self.record(&mut tables, event);
        Ok(true)
    }

    async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        Ok(self.lock().users.get(id).cloned())
    }

    async fn user_by_login(&self, tenant: &str, login: &Login) -> Result<Option<User>, StoreError> {
        Ok(self.lock().users.values().find(|user| user.tenant == tenant && user.login == *login).cloned())
    }

    async fn users(&self, tenant: &str, after: &str, limit: usize) -> Result<Vec<User>, StoreError> {
        let tables = self.lock();
        let chosen = tables.users.values().filter(|user| user.tenant == tenant && user.id.as_str() > after);
        Ok(chosen.take(limit).cloned().collect())
    }

    async fn change_user(
        &self,
        id: &UserId,
        change: &UserChange,
        event: &Event,
        revoke: Option<RevocationReason>,
    ) -> Result<Option<User>, StoreError> {
        let mut tables = self.lock();
        let Some(user) = tables.users.get_mut(id) else { return Ok(None) };
        if change.is_disabled() == Some(user.is_disabled) {
            return Ok(None);
        }
        user.is_disabled = change.is_disabled().unwrap_or(user.is_disabled);
        if let Some(hash) = change.password_hash() {
            hash.clone_into(&mut user.password_hash);
        }
        user.must_change_password = change.must_change_password().unwrap_or(user.must_change_password);
        user.epoch += change.epoch_step();
        let changed = user.clone();
        if let Some(reason) = revoke {
            tables.order(changed.tenant.clone(), changed.id.to_string(), String::new(), reason);
        }
        self.record(&mut tables, event);
        Ok(Some(changed))
    }

    async fn describe_user(
        &self,
        id: &UserId,
        description: &Description,
        event: &Event,
    ) -> Result<Described, StoreError> {
        let mut tables = self.lock();
        let Some(user) = tables.users.get(id) else { return Ok(Described::Unknown) };
        let mut changed = user.clone();
        changed.login = description.login.clone().unwrap_or(changed.login);
        changed.name = description.name.clone().unwrap_or(changed.name);
        changed.claims = description.claims.clone().unwrap_or(changed.claims);
        changed.is_email_verified = description.email_verified().unwrap_or(changed.is_email_verified);
        changed.must_change_password = description.must_change_password.unwrap_or(changed.must_change_password);
        changed.updated_at = event.at;
        let is_taken = |other: &User| other.tenant == changed.tenant && other.login == changed.login && other.id != *id;
        if tables.users.values().any(is_taken) {
            return Ok(Described::LoginTaken);
        }
        tables.users.insert(id.clone(), changed.clone());
        self.record(&mut tables, event);
        Ok(Described::Done(Box::new(changed)))
    }

    async fn replace_hash(&self, id: &UserId, old: &str, new: &str) -> Result<(), StoreError> {
        if let Some(user) = self.lock().users.get_mut(id).filter(|user| user.password_hash == old) {
            new.clone_into(&mut user.password_hash);
        }
        Ok(())
    }

    async fn delete_user(&self, user: &User, event: &Event) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        if tables.users.remove(&user.id).is_none() {
            return Ok(false);
        }
        tables.consents.retain(|(owner, _), _| *owner != user.id);
        tables.user_registrations.retain(|(owner, _), _| *owner != user.id);
        let (tenant, id) = (user.tenant.clone(), user.id.to_string());
        tables.order(tenant, id, String::new(), RevocationReason::AccountDisabled);
        self.record(&mut tables, event);
        Ok(true)
    }

    async fn revocations(&self, now: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        let tables = self.lock();
        let due = tables.revocations.iter().filter(|(due_at, _)| *due_at <= now).map(|(_, order)| order);
        Ok(due.take(super::REVOCATIONS_MAX).cloned().collect())
    }

    async fn revocation_refused(&self, id: i64, due: Timestamp) -> Result<(), StoreError> {
        if let Some((due_at, order)) = self.lock().revocations.iter_mut().find(|(_, order)| order.id == id) {
            *due_at = due;
            order.refusals = order.refusals.saturating_add(1);
        }
        Ok(())
    }

    async fn revoked(&self, id: i64) -> Result<(), StoreError> {
        self.lock().revocations.retain(|(_, order)| order.id != id);
        Ok(())
    }

    async fn tell(&self, event: &Event) -> Result<(), StoreError> {
        self.record(&mut self.lock(), event);
        Ok(())
    }
}

impl GrantStore for MemoryStore {
    async fn add_code(
        &self,
        hash: [u8; 32],
        grant: &Grant,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tables = self.lock();
        let long_over = now.saturating_sub(super::CODE_KEPT);
        tables.codes.retain(|_, code| code.expires_at > long_over);
        let code = Code { grant: grant.clone(), expires_at, is_used: false, session: String::new() };
        tables.codes.insert(hash, code);
        Ok(())
    }

    async fn take_code(&self, hash: [u8; 32], now: Timestamp) -> Result<TakenCode, StoreError> {
        Ok(match self.lock().codes.get_mut(&hash) {
            Some(code) if code.is_used => TakenCode::Spent(code.session.clone()),
            Some(code) if now < code.expires_at => {
                code.is_used = true;
                TakenCode::Good(Box::new(code.grant.clone()))
            }
            _ => TakenCode::Unknown,
        })
    }

    async fn code_led_to(&self, hash: [u8; 32], session: &str) -> Result<(), StoreError> {
        if let Some(code) = self.lock().codes.get_mut(&hash) {
            session.clone_into(&mut code.session);
        }
        Ok(())
    }
}
