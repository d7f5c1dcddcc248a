//! Leases, deadlines and clean-up work.

use std::time::Duration;

use svc_kit::clock::Timestamp;

use super::{RedisStore, link::Trust, pages, record};
use crate::{
    domain::{cutoff::Scope, id::Shard, revision::Revision},
    ports::{Chores, Look, StoreError},
};

/// Most cutoffs that are forgotten at a time: a script takes some thousand arguments.
const FORGOTTEN_MAX: usize = 1_000;

impl Chores for RedisStore {
    async fn lease(&self, owner: &str, length: Duration) -> Result<Vec<Shard>, StoreError> {
        let ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let take = |shard: Shard| {
            let mut set = redis::cmd("SET");
            set.arg(self.keys.lease(shard)).arg(owner).arg("NX").arg("GET").arg("PX").arg(ms);
            (self.link.shard(shard), set)
        };
        let takes: Vec<_> = (0..self.shards).map(|shard| take(Shard(shard))).collect();
        let (mut held, mut failure) = (Vec::new(), None);
        for (shard, before) in (0..self.shards).map(Shard).zip(self.link.scatter::<Option<String>>(&takes).await) {
            match before {
                Ok(before) if before.as_deref().is_none_or(|before| before == owner) => held.push(shard),
                Ok(_) => {}
                Err(error) => failure = Some(error),
            }
        }
        // Losing the lease in this very moment makes two of us work: wasteful, not wrong.
        let keep = |shard: &Shard| {
            let mut expire = redis::cmd("PEXPIRE");
            expire.arg(self.keys.lease(*shard)).arg(ms);
            (self.link.shard(*shard), expire)
        };
        let kept = self.link.scatter::<i64>(&held.iter().map(keep).collect::<Vec<_>>()).await;
        held = held.into_iter().zip(kept).filter_map(|(shard, kept)| kept.is_ok().then_some(shard)).collect();
        // In a cluster one server that is away keeps only its own shards from being looked after.
        match failure {
            Some(error) if held.is_empty() => Err(error),
            _ => Ok(held),
        }
    }

    async fn due(&self, shard: Shard, now: Timestamp, limit: usize) -> Result<Vec<Look>, StoreError> {
        let due = self.first_in_pages(shard, &self.keys.looks(shard), now, limit).await?;
        Ok(due.into_iter().map(|(at, session)| Look { session, at }).collect())
    }

    async fn remove_look(&self, look: Look) -> Result<(), StoreError> {
        let shard = look.session.shard();
        let mut call = self.unlook.prepare_invoke();
        call.key(self.keys.looks(shard)).arg(pages::entry((look.at, look.session)));
        self.link.script(self.link.shard(shard), &call, Trust::Any).await
    }

    async fn unfinished(&self, shard: Shard) -> Result<Vec<Scope>, StoreError> {
        let mut all = redis::cmd("SMEMBERS");
        all.arg(self.keys.unfinished(shard));
        let members: Vec<Vec<u8>> = self.link.read(self.link.shard(shard), &all).await?;
        members.iter().map(|member| record::decode_scope(member)).collect()
    }

    async fn finished(&self, shard: Shard, scope: &Scope, upto: Revision) -> Result<(), StoreError> {
        let mut call = self.finish.prepare_invoke();
        call.key(self.keys.unfinished(shard)).key(self.keys.cutoffs(shard));
        call.arg(record::encode_scope(scope)).arg(&upto.to_bytes()[..]);
        self.link.script(self.link.shard(shard), &call, Trust::Any).await
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
        self.link.script(self.link.shard(shard), &call, Trust::Any).await
    }
}
