//! Policies in Redis: one hash for the whole deployment, and an order of changes by which each replica keeps up.
//!
//! Whoever validates reads nothing of this. The version that is read with every session marks the last announcement of a
//! policy in its upper half; a replica that sees it change fetches what changed, before it decides.

use std::sync::{Arc, PoisonError, RwLock};

use prost::Message as _;
use proto::session::v1 as pb;

use super::{
    RedisStore,
    link::{Place, Script, Trust},
    record,
};
use crate::{
    contract::policy,
    domain::{
        cutoff::Scope,
        id::Shard,
        policy::{POLICIES_MAX, PolicyScope, PolicySet, StoredPolicy},
    },
    ports::{PolicyStore, Put, StoreError},
};

/// Where the mark of announced policies begins in a shard's version; below is what marks the change of its cutoffs.
const ANNOUNCEMENT: u64 = 1 << 32;
/// Policies fetched at a time.
const PAGE: usize = 500;
const VERSION_BYTES: usize = 8;

/// The policies that this replica knows, and the scripts that change them.
pub(super) struct Policies {
    known: RwLock<Arc<PolicySet>>,
    put: Script,
    announce: Script,
    done: Script,
}

impl Policies {
    pub(super) fn new() -> Self {
        // A policy may have to be shortened just when the store is full; their number is bounded.
        let script = |text: &str| Script::new(&format!("#!lua flags=allow-oom\n{text}"));
        Self {
            known: RwLock::default(),
            put: script(include_str!("put_policy.lua")),
            announce: script(include_str!("announce.lua")),
            done: script(include_str!("done.lua")),
        }
    }

    /// Those that are known already.
    pub(super) fn known(&self) -> Arc<PolicySet> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn learn(&self, changed: Vec<StoredPolicy>, upto: u64) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut set = (**known).clone();
        changed.into_iter().for_each(|stored| set.insert(stored));
        set.version = set.version.max(upto);
        *known = Arc::new(set);
    }
}

/// Says whether policies were announced between two versions of a shard.
pub(super) fn is_announced_between(before: u64, after: u64) -> bool {
    before / ANNOUNCEMENT != after / ANNOUNCEMENT
}

impl RedisStore {
    async fn done(&self, key: String, scope: &PolicyScope, version: u64) -> Result<(), StoreError> {
        let mut call = self.policies.done.prepare_invoke();
        call.key(&key).arg(encode_scope(scope)).arg(version);
        self.link.script(Place::of(&key), &call, Trust::Any).await
    }

    async fn marks(&self, key: String) -> Result<Vec<(PolicyScope, u64)>, StoreError> {
        let marks: Vec<(Vec<u8>, u64)> = self.link.read(Place::of(&key), redis::cmd("HGETALL").arg(&key)).await?;
        marks.into_iter().map(|(scope, version)| Ok((decode_scope(&scope)?, version))).collect()
    }
}

impl PolicyStore for RedisStore {
    async fn policies(&self) -> Result<Arc<PolicySet>, StoreError> {
        loop {
            let known = self.policies.known();
            let mut range = redis::cmd("ZRANGE");
            range.arg(self.keys.policy_versions()).arg(format!("({}", known.version)).arg("+inf").arg("BYSCORE");
            range.arg("LIMIT").arg(0).arg(PAGE).arg("WITHSCORES");
            let place = Place::of(&self.keys.policies());
            let changed: Vec<(Vec<u8>, u64)> = self.link.read(place, &range).await?;
            let Some((_, upto)) = changed.last() else { return Ok(known) };
            let mut get = redis::cmd("HMGET");
            get.arg(self.keys.policies());
            for (scope, _) in &changed {
                get.arg(&scope[..]);
            }
            let values: Vec<Vec<u8>> = self.link.read(place, &get).await?;
            // A value may be newer than its place in the order said: then it comes once more.
            self.policies.learn(values.iter().filter_map(|value| readable(value)).collect(), *upto);
        }
    }

    async fn put_policy(&self, stored: &StoredPolicy, before: u64) -> Result<Put, StoreError> {
        let mut call = self.policies.put.prepare_invoke();
        call.key(self.keys.policies()).key(self.keys.policy_versions()).key(self.keys.unannounced());
        call.arg(encode_scope(&stored.scope)).arg(before);
        call.arg(policy::to_proto(stored).encode_to_vec()).arg(POLICIES_MAX);
        let version: i64 = self.link.script(Place::of(&self.keys.policies()), &call, Trust::Any).await?;
        Ok(match u64::try_from(version) {
            Ok(0) => Put::Conflict,
            Ok(version) => Put::Stored(version),
            Err(_) => Put::TooMany,
        })
    }

    async fn announce(&self, shard: Shard, scope: &PolicyScope, version: u64) -> Result<(), StoreError> {
        let mut call = self.policies.announce.prepare_invoke();
        call.key(self.keys.unsettled(shard)).key(self.keys.version(shard));
        call.arg(encode_scope(scope)).arg(version).arg(ANNOUNCEMENT);
        self.link.script(self.link.shard(shard), &call, Trust::Any).await
    }

    async fn unannounced(&self) -> Result<Vec<(PolicyScope, u64)>, StoreError> {
        self.marks(self.keys.unannounced()).await
    }

    async fn announced(&self, scope: &PolicyScope, version: u64) -> Result<(), StoreError> {
        self.done(self.keys.unannounced(), scope, version).await
    }

    async fn unsettled(&self, shard: Shard) -> Result<Vec<(PolicyScope, u64)>, StoreError> {
        self.marks(self.keys.unsettled(shard)).await
    }

    async fn settled(&self, shard: Shard, scope: &PolicyScope, version: u64) -> Result<(), StoreError> {
        self.done(self.keys.unsettled(shard), scope, version).await
    }
}

/// A policy that a newer release wrote, and that says what this one does not know, must not stop every session.
fn readable(value: &[u8]) -> Option<StoredPolicy> {
    let decoded = decode(value);
    if let Err(error) = &decoded {
        tracing::error!(%error, "a policy is not in force here");
    }
    decoded.ok()
}

fn decode(value: &[u8]) -> Result<StoredPolicy, StoreError> {
    let unreadable = || StoreError::Unreadable("a policy");
    let (version, message) = value.split_at_checked(VERSION_BYTES).ok_or_else(unreadable)?;
    let version = u64::from_be_bytes(version.try_into().map_err(|_| unreadable())?);
    let message = pb::Policy::decode(message).map_err(|_| unreadable())?;
    let stored = policy::parse(&message).map_err(|_| unreadable())?;
    Ok(StoredPolicy { version, ..stored })
}

/// Scopes of policies are written as those of cutoffs are.
fn encode_scope(scope: &PolicyScope) -> Vec<u8> {
    record::encode_scope(&Scope {
        tenant: scope.tenant.clone(),
        user: None,
        application: scope.application.clone(),
        session: None,
    })
}

fn decode_scope(field: &[u8]) -> Result<PolicyScope, StoreError> {
    let Scope { tenant, application, .. } = record::decode_scope(field)?;
    Ok(PolicyScope { tenant, application })
}
