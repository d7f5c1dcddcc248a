//! Stores policies, and finds them.
//!
//! A policy is stored once and then announced to every shard. When that is acknowledged, whoever reads a session has it,
//! and no commit succeeds that was decided without it. What comes between is finished by [`Sessions::announce_rest`].

use std::sync::Arc;

use futures::future::try_join_all;
use svc_kit::access::Caller;

use super::{DECISIONS_MAX, Sessions};
use crate::{
    domain::{
        id::{Shard, TenantId},
        policy::{Policy, PolicyScope, StoredPolicy},
    },
    error::SessionError,
    ports::{PolicyStore, Put},
};

/// What to store.
#[derive(Clone, Debug)]
pub struct PutPolicy {
    /// What it is for.
    pub scope: PolicyScope,
    /// What it says.
    pub policy: Policy,
    /// Version that it must have now, 0 for none; `None`: any.
    pub expected: Option<u64>,
}

/// What storing came to.
pub struct Stored {
    /// The policy.
    pub policy: Arc<StoredPolicy>,
    /// Whether it was stored like this before.
    pub was_there: bool,
}

impl<S: PolicyStore> Sessions<S> {
    /// Stores a policy, and puts it in force everywhere.
    ///
    /// # Errors
    /// [`SessionError::PolicyVersionMismatch`], [`SessionError::TooManyPolicies`], or a failure of the store: then it may
    /// be stored, and not in force in every shard yet.
    pub async fn put_policy(&self, caller: &Caller, command: PutPolicy) -> Result<Stored, SessionError> {
        for _ in 0..DECISIONS_MAX {
            let policies = self.store.policies().await?;
            let present = policies.get(&command.scope);
            if let Some(same) = present.filter(|present| present.policy == command.policy) {
                // A repetition, maybe of a call that failed half-way.
                self.announce(&same.scope, same.version).await?;
                return Ok(Stored { policy: same.clone(), was_there: true });
            }
            let before = present.map_or(0, |present| present.version);
            if command.expected.is_some_and(|expected| expected != before) {
                return Err(SessionError::PolicyVersionMismatch(before));
            }
            let stored = StoredPolicy {
                scope: command.scope.clone(),
                policy: command.policy.clone(),
                version: 0,
                updated_at: self.clock.now(),
                updated_by: caller.subject.clone(),
            };
            match self.store.put_policy(&stored, before).await? {
                Put::Stored(version) => {
                    self.announce(&stored.scope, version).await?;
                    return Ok(Stored { policy: Arc::new(StoredPolicy { version, ..stored }), was_there: false });
                }
                Put::Conflict => {}
                Put::TooMany => return Err(SessionError::TooManyPolicies),
            }
        }
        Err(SessionError::Contention)
    }

    async fn announce(&self, scope: &PolicyScope, version: u64) -> Result<(), SessionError> {
        let shards = (0..self.store.shards()).map(Shard);
        try_join_all(shards.map(|shard| self.store.announce(shard, scope, version))).await?;
        Ok(self.store.announced(scope, version).await?)
    }

    /// Announces what was stored by a call that failed before it had announced it everywhere.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn announce_rest(&self) -> Result<(), SessionError> {
        for (scope, version) in self.store.unannounced().await? {
            self.announce(&scope, version).await?;
        }
        Ok(())
    }

    /// Returns a policy.
    ///
    /// # Errors
    /// [`SessionError::PolicyNotFound`], or a failure of the store.
    pub async fn policy(&self, scope: &PolicyScope) -> Result<Arc<StoredPolicy>, SessionError> {
        self.store.policies().await?.get(scope).cloned().ok_or(SessionError::PolicyNotFound)
    }

    /// Lists policies of a tenant after one of them, at most `size`; says whether there are more.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn list_policies(
        &self,
        tenant: &TenantId,
        after: Option<&PolicyScope>,
        size: usize,
    ) -> Result<(Vec<Arc<StoredPolicy>>, bool), SessionError> {
        let policies = self.store.policies().await?;
        let mut listed: Vec<_> = policies.list(tenant, after).take(size + 1).cloned().collect();
        let has_more = listed.len() > size;
        listed.truncate(size);
        Ok((listed, has_more))
    }
}
