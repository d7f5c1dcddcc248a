//! Consents in memory.

use std::ops::Bound;

use super::MemoryStore;
use crate::{
    domain::{
        consent::Consent,
        event::Event,
        user::{User, UserId},
    },
    ports::{ConsentStore, RevocationReason, StoreError},
};

impl ConsentStore for MemoryStore {
    async fn consent(&self, user: &UserId, application: &str) -> Result<Option<Consent>, StoreError> {
        Ok(self.lock().consents.get(&(user.clone(), application.to_owned())).cloned())
    }

    async fn consents(&self, user: &UserId, after: &str, limit: usize) -> Result<Vec<Consent>, StoreError> {
        let start = Bound::Excluded((user.clone(), after.to_owned()));
        let tables = self.lock();
        let chosen = tables.consents.range((start, Bound::Unbounded)).map(|(_, consent)| consent);
        Ok(chosen.take_while(|consent| consent.user == *user).take(limit).cloned().collect())
    }

    async fn give_consent(&self, consent: &Consent, event: &Event) -> Result<(), StoreError> {
        let mut tables = self.lock();
        if !tables.applications.contains_key(&consent.application) || !tables.users.contains_key(&consent.user) {
            return Ok(());
        }
        let key = (consent.user.clone(), consent.application.clone());
        let all = consent.clone().after(tables.consents.get(&key));
        tables.consents.insert(key, all);
        self.record(&mut tables, event);
        Ok(())
    }

    async fn withdraw_consent(&self, user: &User, application: &str, event: &Event) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        if tables.consents.remove(&(user.id.clone(), application.to_owned())).is_none() {
            return Ok(false);
        }
        let (tenant, user) = (user.tenant.clone(), user.id.to_string());
        tables.order(tenant, user, application.to_owned(), RevocationReason::ConsentWithdrawn);
        self.record(&mut tables, event);
        Ok(true)
    }
}
