//! Leases, deadlines and clean-up work.

use std::time::Duration;

use svc_kit::clock::Timestamp;

use super::{RedisStore, failed, record};
use crate::{
    domain::{
        cutoff::Scope,
        id::{SessionId, Shard},
        revision::Revision,
    },
    ports::{Chores, StoreError},
};

/// Most cutoffs that are forgotten at a time: a script takes some thousand arguments.
const FORGOTTEN_MAX: usize = 1_000;

impl Chores for RedisStore {
    async fn lease(&self, owner: &str, length: Duration) -> Result<Vec<Shard>, StoreError> {
        let ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let shards: Vec<Shard> = (0..self.shards).map(Shard).collect();
        let mut pipeline = redis::pipe();
        for shard in &shards {
            let key = self.keys.lease(*shard);
            pipeline.cmd("SET").arg(&key).arg(owner).arg("NX").arg("PX").arg(ms).ignore().get(&key);
        }
        let owners: Vec<Option<String>> = self.link.pipeline(&pipeline).await?;
        let held: Vec<Shard> = shards
            .into_iter()
            .zip(owners)
            .filter(|(_, by)| by.as_deref() == Some(owner))
            .map(|(shard, _)| shard)
            .collect();
        let mut pipeline = redis::pipe();
        for shard in &held {
            // Losing the lease in this very moment makes two of us work: wasteful, not wrong.
            pipeline.cmd("PEXPIRE").arg(self.keys.lease(*shard)).arg(ms).ignore();
        }
        if !held.is_empty() {
            self.link.pipeline::<()>(&pipeline).await?;
        }
        Ok(held)
    }

    async fn due(&self, shard: Shard, now: Timestamp, limit: usize) -> Result<Vec<SessionId>, StoreError> {
        let mut range = redis::cmd("ZRANGE");
        range.arg(self.keys.looks(shard)).arg("-inf").arg(now.as_ms()).arg("BYSCORE").arg("LIMIT").arg(0).arg(limit);
        let members: Vec<Vec<u8>> = self.link.command(&range).await?;
        Ok(members.iter().filter_map(|member| SessionId::from_bytes(member)).collect())
    }

    async fn look_again(&self, id: SessionId, next: Option<Timestamp>) -> Result<(), StoreError> {
        let (key, member) = (self.keys.looks(id.shard()), id.to_bytes());
        match next {
            Some(next) => {
                self.link.command(redis::cmd("ZADD").arg(key).arg("XX").arg(next.as_ms()).arg(&member[..])).await
            }
            None => self.link.command(redis::cmd("ZREM").arg(key).arg(&member[..])).await,
        }
    }

    async fn unfinished(&self, shard: Shard) -> Result<Vec<Scope>, StoreError> {
        let members: Vec<Vec<u8>> = self.link.command(redis::cmd("SMEMBERS").arg(self.keys.unfinished(shard))).await?;
        members.iter().map(|member| record::decode_scope(member)).collect()
    }

    async fn finished(&self, shard: Shard, scope: &Scope, upto: Revision) -> Result<(), StoreError> {
        let mut call = self.finish.prepare_invoke();
        call.key(self.keys.unfinished(shard)).key(self.keys.cutoffs(shard));
        call.arg(record::encode_scope(scope)).arg(&upto.to_bytes()[..]);
        call.invoke_async(&mut self.link.connection()?).await.map_err(failed)
    }

    async fn forget_cutoffs(&self, shard: Shard, before: Timestamp) -> Result<(), StoreError> {
        let cutoffs = crate::ports::SessionStore::cutoffs(self, shard).await?;
        let old: Vec<Vec<u8>> = cutoffs
            .scopes
            .iter()
            .filter(|(_, cutoff)| !cutoff.is_closed && cutoff.end.at < before)
            .map(|(scope, _)| record::encode_scope(scope))
            .take(FORGOTTEN_MAX)
            .collect();
        if old.is_empty() {
            return Ok(());
        }
        let mut call = self.forget.prepare_invoke();
        call.key(self.keys.cutoffs(shard)).key(self.keys.version(shard)).arg(cutoffs.version);
        for scope in &old {
            call.arg(scope);
        }
        call.invoke_async(&mut self.link.connection()?).await.map_err(failed)
    }
}
