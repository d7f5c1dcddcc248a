//! Policies in memory.

use std::{collections::HashMap, sync::Arc};

use super::MemoryStore;
use crate::{
    domain::{
        id::Shard,
        policy::{POLICIES_MAX, PolicyScope, PolicySet, StoredPolicy},
    },
    ports::{PolicyStore, Put, StoreError},
};

#[derive(Default)]
pub(super) struct Policies {
    all: Arc<PolicySet>,
    unannounced: HashMap<PolicyScope, u64>,
    unsettled: HashMap<(Shard, PolicyScope), u64>,
}

impl PolicyStore for MemoryStore {
    async fn policies(&self) -> Result<Arc<PolicySet>, StoreError> {
        Ok(self.lock().policies.all.clone())
    }

    async fn put_policy(&self, stored: &StoredPolicy, before: u64) -> Result<Put, StoreError> {
        let mut state = self.lock();
        let policies = &mut state.policies;
        if policies.all.get(&stored.scope).map_or(0, |present| present.version) != before {
            return Ok(Put::Conflict);
        }
        if before == 0 && policies.all.len() >= POLICIES_MAX {
            return Ok(Put::TooMany);
        }
        let mut all = (*policies.all).clone();
        all.version += 1;
        let version = all.version;
        all.insert(StoredPolicy { version, ..stored.clone() });
        policies.all = Arc::new(all);
        policies.unannounced.insert(stored.scope.clone(), version);
        Ok(Put::Stored(version))
    }

    async fn announce(&self, shard: Shard, scope: &PolicyScope, version: u64) -> Result<(), StoreError> {
        let mut state = self.lock();
        let mut cutoffs = (*state.cutoffs(shard)).clone();
        cutoffs.version += 1;
        cutoffs.policies = state.policies.all.clone();
        state.cutoffs.insert(shard, Arc::new(cutoffs));
        state.policies.unsettled.insert((shard, scope.clone()), version);
        Ok(())
    }

    async fn unannounced(&self) -> Result<Vec<(PolicyScope, u64)>, StoreError> {
        let state = self.lock();
        Ok(state.policies.unannounced.iter().map(|(scope, version)| (scope.clone(), *version)).collect())
    }

    async fn announced(&self, scope: &PolicyScope, version: u64) -> Result<(), StoreError> {
        self.lock().policies.unannounced.retain(|other, marked| other != scope || *marked != version);
        Ok(())
    }

    async fn unsettled(&self, shard: Shard) -> Result<Vec<(PolicyScope, u64)>, StoreError> {
        let state = self.lock();
        let of_shard = state.policies.unsettled.iter().filter(|((at, _), _)| *at == shard);
        Ok(of_shard.map(|((_, scope), version)| (scope.clone(), *version)).collect())
    }

    async fn settled(&self, shard: Shard, scope: &PolicyScope, version: u64) -> Result<(), StoreError> {
        let key = (shard, scope.clone());
        self.lock().policies.unsettled.retain(|other, marked| *other != key || *marked != version);
        Ok(())
    }
}
