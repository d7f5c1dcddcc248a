//! Events that wait, in memory.

use std::time::Duration;

use svc_kit::bus::Message;

use super::{MemoryStore, State};
use crate::{
    domain::{id::Shard, revision::Revision},
    ports::{Outbox, StoreError},
};

type Waiting = (Shard, Revision, Message);

impl Outbox for MemoryStore {
    async fn take(
        &self,
        after: &[(Shard, Revision)],
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<Waiting>, StoreError> {
        let arrived = self.arrived.notified();
        tokio::pin!(arrived);
        arrived.as_mut().enable();
        let taken = self.lock().waiting(after, limit);
        if !taken.is_empty() || wait.is_zero() {
            return Ok(taken);
        }
        let _ = tokio::time::timeout(wait, arrived).await;
        Ok(self.lock().waiting(after, limit))
    }

    async fn remove(&self, events: &[(Shard, Revision)]) -> Result<(), StoreError> {
        let mut state = self.lock();
        for (shard, revision) in events {
            if let Some(waiting) = state.outbox.get_mut(shard)
                && let Ok(place) = waiting.binary_search_by_key(revision, |(revision, _)| *revision)
            {
                waiting.remove(place);
            }
        }
        Ok(())
    }
}

impl State {
    /// One of each shard, then another one of each, and so on.
    fn waiting(&self, after: &[(Shard, Revision)], limit: usize) -> Vec<Waiting> {
        let of_shard = |(shard, after): &(Shard, Revision)| {
            let (shard, after) = (*shard, *after);
            let waiting = self.outbox.get(&shard).into_iter().flatten();
            waiting.skip_while(move |(revision, _)| *revision <= after).map(move |event| (shard, event))
        };
        let mut shards: Vec<_> = after.iter().map(of_shard).collect();
        let mut taken = Vec::new();
        loop {
            let before = taken.len();
            for (shard, (revision, message)) in shards.iter_mut().filter_map(Iterator::next) {
                if taken.len() == limit {
                    return taken;
                }
                taken.push((shard, *revision, message.clone()));
            }
            if taken.len() == before {
                return taken;
            }
        }
    }
}
