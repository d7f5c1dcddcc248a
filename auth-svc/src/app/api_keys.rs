//! Manages API keys, and says who presents one.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use svc_kit::{
    access::{Caller, Scopes},
    clock::Timestamp,
};

use super::{Adapters, Auth};
use crate::{
    domain::{
        api_key::{self, ApiKey, ApiKeyId},
        application::{OldSecret, SecretHash},
        event::What,
    },
    error::AuthError,
    ports::{ApiKeyStore as _, TenantStore as _},
};

/// How often a rotation is tried when others rotate the same key at the same time.
const TRIES: usize = 8;

/// A key to create.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Tenant.
    pub tenant: String,
    /// Name for people.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl<A: Adapters> Auth<A> {
    /// Creates a key; returns its secret.
    ///
    /// # Errors
    /// [`AuthError::ScopeNotHeld`], [`AuthError::TenantNotFound`], or a failure of the store.
    pub async fn create_api_key(&self, caller: &Caller, new: NewApiKey) -> Result<(ApiKey, SecretString), AuthError> {
        may_give(caller, &new.scopes)?;
        if !self.store.has_tenant(&new.tenant).await? {
            return Err(AuthError::TenantNotFound);
        }
        let id = ApiKeyId::generate(&*self.entropy);
        let secret = self.new_key_secret(&id);
        let key = ApiKey {
            tenant: new.tenant,
            name: new.name,
            scopes: new.scopes,
            hash: SecretHash::of(secret.expose_secret()),
            old_secret: None,
            created_at: self.clock.now(),
            created_by: caller.subject.clone(),
            expires_at: new.expires_at,
            last_used_at: None,
            revision: 0,
            id,
        };
        let event = self.event(&key.tenant, &caller.subject, What::ApiKeyCreated(key.id.to_string()));
        self.store.add_api_key(&key, &event).await?;
        Ok((key, secret))
    }

    /// Returns a key that exists for `caller`.
    ///
    /// # Errors
    /// [`AuthError::ApiKeyNotFound`], or a failure of the store.
    pub async fn api_key(&self, caller: &Caller, id: &ApiKeyId) -> Result<ApiKey, AuthError> {
        let key = self.store.api_key(id).await?;
        key.filter(|key| caller.may_see(&key.tenant)).ok_or(AuthError::ApiKeyNotFound)
    }

    /// Gives a key a new secret; the one before stays good for `overlap`.
    ///
    /// # Errors
    /// [`AuthError::ApiKeyNotFound`], [`AuthError::ScopeNotHeld`], [`AuthError::ChangedMeanwhile`], or a failure of the
    /// store.
    pub async fn rotate_api_key(
        &self,
        caller: &Caller,
        id: &ApiKeyId,
        overlap: Duration,
    ) -> Result<(ApiKey, SecretString), AuthError> {
        let secret = self.new_key_secret(id);
        for _ in 0..TRIES {
            let current = self.api_key(caller, id).await?;
            may_give(caller, &current.scopes)?;
            let until = self.clock.now().saturating_add(overlap);
            let rotated = ApiKey {
                hash: SecretHash::of(secret.expose_secret()),
                old_secret: (!overlap.is_zero()).then(|| OldSecret { hash: current.hash.clone(), until }),
                ..current
            };
            let event = self.event(&rotated.tenant, &caller.subject, What::ApiKeyRotated(id.to_string()));
            if self.store.replace_api_key(&rotated, &event).await? {
                return Ok((rotated, secret));
            }
        }
        Err(AuthError::ChangedMeanwhile)
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// [`AuthError::ApiKeyNotFound`], or a failure of the store.
    pub async fn delete_api_key(&self, caller: &Caller, id: &ApiKeyId) -> Result<(), AuthError> {
        let key = self.api_key(caller, id).await?;
        let event = self.event(&key.tenant, &caller.subject, What::ApiKeyDeleted(id.to_string()));
        if self.store.delete_api_key(id, &event).await? { Ok(()) } else { Err(AuthError::ApiKeyNotFound) }
    }

    /// Returns who presents a secret; `None` when it is none, or not good.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn api_key_caller(&self, secret: &str) -> Result<Option<Caller>, AuthError> {
        let Some(id) = api_key::named_by(secret) else { return Ok(None) };
        let now = self.clock.now();
        let key = self.store.api_key(&id).await?.filter(|key| key.accepts(secret, now));
        let Some(key) = key else { return Ok(None) };
        match self.open_tenant(&key.tenant).await {
            Ok(_) => {}
            Err(AuthError::TenantSuspended | AuthError::TenantNotFound) => return Ok(None),
            Err(error) => return Err(error),
        }
        if key.is_use_news(now) {
            self.store.api_key_used(&id, now).await?;
        }
        let scopes = Scopes::Only(key.scopes.into_iter().collect());
        Ok(Some(Caller { subject: format!("key:{id}"), tenant: Some(key.tenant), scopes }))
    }

    fn new_key_secret(&self, id: &ApiKeyId) -> SecretString {
        api_key::secret_of(id, &self.random_text()).into()
    }
}

/// Whoever hands out a secret must hold what it is good for.
fn may_give(caller: &Caller, scopes: &[String]) -> Result<(), AuthError> {
    match scopes.iter().find(|scope| !caller.scopes.include(scope)) {
        Some(missing) => Err(AuthError::ScopeNotHeld(missing.clone())),
        None => Ok(()),
    }
}
