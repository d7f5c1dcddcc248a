//! Registrations of users in memory.

use std::ops::Bound;

use super::MemoryStore;
use crate::{
    domain::{
        event::Event,
        user::{User, UserId},
        user_registration::{Standing, UserRegistration},
    },
    ports::{RevocationReason, StoreError, UserRegistrationStore},
};

impl UserRegistrationStore for MemoryStore {
    async fn register_user(
        &self,
        registration: &UserRegistration,
        event: &Event,
    ) -> Result<Option<UserRegistration>, StoreError> {
        let mut tables = self.lock();
        let (user, application) = (&registration.user, &registration.application);
        if !tables.applications.contains_key(application) || !tables.users.contains_key(user) {
            return Ok(None);
        }
        let key = (user.clone(), application.clone());
        if let Some(there) = tables.user_registrations.get(&key) {
            return Ok(Some(there.clone()));
        }
        tables.user_registrations.insert(key, registration.clone());
        self.record(&mut tables, event);
        Ok(Some(registration.clone()))
    }

    async fn standing(&self, user: &UserId, application: &str) -> Result<Option<Standing>, StoreError> {
        let tables = self.lock();
        let is_registered = tables.user_registrations.contains_key(&(user.clone(), application.to_owned()));
        let standing = |user: &User| Standing { epoch: user.epoch, is_disabled: user.is_disabled, is_registered };
        Ok(tables.users.get(user).map(standing))
    }

    async fn is_registered(&self, user: &UserId, application: &str) -> Result<bool, StoreError> {
        Ok(self.lock().user_registrations.contains_key(&(user.clone(), application.to_owned())))
    }

    async fn user_registrations(
        &self,
        user: &UserId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<UserRegistration>, StoreError> {
        let start = Bound::Excluded((user.clone(), after.to_owned()));
        let tables = self.lock();
        let chosen = tables.user_registrations.range((start, Bound::Unbounded)).map(|(_, found)| found);
        Ok(chosen.take_while(|found| found.user == *user).take(limit).cloned().collect())
    }

    async fn deregister_user(&self, user: &User, application: &str, event: &Event) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        if tables.user_registrations.remove(&(user.id.clone(), application.to_owned())).is_none() {
            return Ok(false);
        }
        let (tenant, user) = (user.tenant.clone(), user.id.to_string());
        tables.order(tenant, user, application.to_owned(), RevocationReason::RegistrationDeleted);
        self.record(&mut tables, event);
        Ok(true)
    }
}
