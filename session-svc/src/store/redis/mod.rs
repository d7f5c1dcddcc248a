//! Sessions in Redis (or Valkey): layout 1, see [`keys`].

mod boot_check;
mod chores;
mod commit;
mod keys;
mod link;
mod outbox;
mod policies;
mod record;

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
};

use redis::RedisError;
use svc_kit::boot::BootError;

use crate::{
    domain::{
        cutoff::Cutoffs,
        id::{ApplicationId, Owner, SessionId, Shard, TenantId, Whose},
    },
    ports::{
        Answer, Commit, Committed, IdempotencyKey, ListQuery, Loaded, PolicyStore as _, Read, SessionStore, StoreError,
    },
};
use keys::Keys;
use link::{Link, target::Target};

pub use link::target::{Location, Problem};

/// How a store's keys and events are named, and how many parts it has.
#[derive(Clone, Copy, Debug)]
pub struct Naming<'n> {
    /// Put before every key.
    pub prefix: &'n str,
    /// Put before the id of every event.
    pub deployment: &'n str,
    /// Parts that users are spread over.
    pub shards: u16,
}

/// Finds what is wrong with a location.
pub fn problems(location: &Location) -> Vec<Problem> {
    Target::new(location).err().unwrap_or_default()
}

/// Sessions in Redis.
pub struct RedisStore {
    link: Link,
    keys: Keys,
    deployment: String,
    shards: u16,
    scripts: commit::Scripts,
    finish: link::Script,
    forget: link::Script,
    cutoffs: RwLock<HashMap<Shard, Arc<Cutoffs>>>,
    policies: policies::Policies,
    outbox: outbox::Reader,
}

impl RedisStore {
    /// Makes a store on the servers that `url` names; see [`RedisStore::at`].
    ///
    /// # Errors
    /// Fails when the URL cannot be used.
    pub fn new(url: &str, prefix: &str, deployment: &str, shards: u16, threads: usize) -> Result<Self, BootError> {
        let location = Location { url: url.into(), ..Location::default() };
        Self::at(&location, Naming { prefix, deployment, shards }, threads)
    }

    /// Makes a store that connects when needed, for `threads` threads that serve.
    ///
    /// # Errors
    /// Fails when the location cannot be used.
    pub fn at(location: &Location, naming: Naming<'_>, threads: usize) -> Result<Self, BootError> {
        let Naming { prefix, deployment, shards } = naming;
        let keys = Keys::new(prefix);
        let target = Target::new(location).map_err(|problems| {
            let named: Vec<String> = problems.iter().map(|(setting, why)| format!("{setting} {why}")).collect();
            BootError::new(named.join("; "))
        })?;
        Ok(Self {
            link: Link::new(target, threads, &keys, shards)?,
            keys,
            deployment: deployment.to_owned(),
            shards,
            scripts: commit::Scripts::new(),
            finish: link::Script::new(include_str!("finish.lua")),
            forget: link::Script::new(include_str!("forget.lua")),
            cutoffs: RwLock::default(),
            policies: policies::Policies::new(),
            outbox: outbox::Reader::default(),
        })
    }

    fn known_cutoffs(&self, shard: Shard, version: u64) -> Option<Arc<Cutoffs>> {
        if version == 0 {
            return Some(Arc::default());
        }
        let known = self.cutoffs.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.get(&shard).filter(|cutoffs| cutoffs.version == version).cloned()
    }

    fn has_new_policies(&self, shard: Shard, version: u64) -> bool {
        let known = self.cutoffs.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        policies::is_announced_between(known.get(&shard).map_or(0, |cutoffs| cutoffs.version), version)
    }

    async fn cutoffs_of(&self, shard: Shard, version: u64) -> Result<Arc<Cutoffs>, StoreError> {
        if let Some(known) = self.known_cutoffs(shard, version) {
            return Ok(known);
        }
        // The version first: cutoffs that are newer than their version are fetched once more, never missed.
        let mut pipeline = redis::pipe();
        pipeline.get(self.keys.version(shard)).hgetall(self.keys.cutoffs(shard));
        let (version, fields): (Option<u64>, HashMap<Vec<u8>, Vec<u8>>) =
            self.link.reads(self.link.shard(shard), &pipeline).await?;
        let scopes = fields
            .into_iter()
            .map(|(field, value)| Ok((record::decode_scope(&field)?, record::decode_cutoff(&value)?)))
            .collect::<Result<_, StoreError>>()?;
        let version = version.unwrap_or(0);
        // After the version: what was announced before it was read is among them.
        let policies = match self.has_new_policies(shard, version) {
            true => self.policies().await?,
            false => self.policies.known(),
        };
        let cutoffs = Arc::new(Cutoffs { version, scopes, policies });
        let mut known = self.cutoffs.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.insert(shard, cutoffs.clone());
        Ok(cutoffs)
    }
}

/// What a failure of the client means to us.
fn failed(error: RedisError) -> StoreError {
    match error.code() {
        Some("OOM") => StoreError::Full,
        Some("WRONGTYPE" | "NOSCRIPT") => StoreError::Unreadable("a key of another type"),
        _ => StoreError::Unavailable(Box::new(error)),
    }
}

impl SessionStore for RedisStore {
    async fn load(&self, id: SessionId) -> Result<Loaded, StoreError> {
        let shard = id.shard();
        // The record before the version: a cutoff that came first is seen.
        let mut pipeline = redis::pipe();
        pipeline.get(self.keys.session(id)).get(self.keys.version(shard));
        let (value, version): (Option<Vec<u8>>, Option<u64>) =
            self.link.reads(self.link.shard(shard), &pipeline).await?;
        let cutoffs = self.cutoffs_of(shard, version.unwrap_or(0)).await?;
        let read = value.map(|value| record::decode(id, value)).transpose()?;
        Ok(Loaded { read, cutoffs })
    }

    async fn cutoffs(&self, shard: Shard) -> Result<Arc<Cutoffs>, StoreError> {
        let get = redis::Cmd::get(self.keys.version(shard));
        let version: Option<u64> = self.link.read(self.link.shard(shard), &get).await?;
        self.cutoffs_of(shard, version.unwrap_or(0)).await
    }

    async fn list(&self, shard: Shard, whose: &Whose, query: ListQuery) -> Result<Vec<Read>, StoreError> {
        let index = match whose {
            Whose::Owner(owner) => self.keys.owner(shard, owner),
            Whose::Tenant(tenant) => self.keys.tenant(shard, tenant),
        };
        let (mut reads, mut offset) = (Vec::new(), 0);
        while reads.len() < query.limit {
            let mut range = redis::cmd("ZRANGE");
            range.arg(&index);
            let from = query.after.map(|(at, _)| at.as_ms().to_string());
            match query.newest_first {
                true => range.arg(from.as_deref().unwrap_or("+inf")).arg("-inf").arg("BYSCORE").arg("REV"),
                false => range.arg(from.as_deref().unwrap_or("-inf")).arg("+inf").arg("BYSCORE"),
            };
            range.arg("LIMIT").arg(offset).arg(query.limit).arg("WITHSCORES");
            let members: Vec<(Vec<u8>, i64)> = self.link.read(self.link.shard(shard), &range).await?;
            let is_last = members.len() < query.limit;
            offset += members.len();
            let ids: Vec<SessionId> = members
                .into_iter()
                .filter(|member| is_after(member, &query))
                .filter_map(|(id, _)| SessionId::from_bytes(&id))
                .collect();
            reads.extend(self.read_all(shard, &ids).await?);
            if is_last {
                break;
            }
        }
        reads.truncate(query.limit);
        Ok(reads)
    }

    async fn live(
        &self,
        shard: Shard,
        tenant: &TenantId,
        application: Option<&ApplicationId>,
    ) -> Result<u64, StoreError> {
        let name = commit::live_name(tenant, application);
        let get = redis::Cmd::hget(self.keys.live(shard), name);
        let live: Option<u64> = self.link.read(self.link.shard(shard), &get).await?;
        Ok(live.unwrap_or(0))
    }

    async fn births(&self, shard: Shard, owner: &Owner) -> Result<u64, StoreError> {
        let get = redis::Cmd::get(self.keys.births(shard, Some(owner)));
        let births: Option<u64> = self.link.read(self.link.shard(shard), &get).await?;
        Ok(births.unwrap_or(0))
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let committed = self.scripts.run(&self.link, &self.keys, &commit).await?;
        if !commit.events.is_empty() {
            self.outbox.wake();
        }
        Ok(committed)
    }

    async fn answer(&self, shard: Shard, key: &IdempotencyKey) -> Result<Option<Answer>, StoreError> {
        let get = redis::Cmd::get(self.keys.answer(shard, key.as_str()));
        let value: Option<Vec<u8>> = self.link.read(self.link.shard(shard), &get).await?;
        value.map(|value| record::decode_answer(&value)).transpose()
    }

    fn shards(&self) -> u16 {
        self.shards
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.link.read::<String>(self.link.shard(Shard(0)), &redis::cmd("PING")).await.map(drop)
    }
}

impl RedisStore {
    async fn read_all(&self, shard: Shard, ids: &[SessionId]) -> Result<Vec<Read>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = redis::cmd("MGET");
        for id in ids {
            get.arg(self.keys.session(*id));
        }
        let values: Vec<Option<Vec<u8>>> = self.link.read(self.link.shard(shard), &get).await?;
        ids.iter().zip(values).filter_map(|(id, value)| Some(record::decode(*id, value?))).collect()
    }
}

/// Says whether an index entry comes after the cursor; entries of the cursor's own millisecond are ordered by id.
fn is_after((id, score): &(Vec<u8>, i64), query: &ListQuery) -> bool {
    let Some((at, last)) = query.after else { return true };
    let last = last.to_bytes();
    if *score != at.as_ms() {
        return true;
    }
    if query.newest_first { id[..] < last[..] } else { id[..] > last[..] }
}
