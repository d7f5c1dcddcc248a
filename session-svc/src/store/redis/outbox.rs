//! The outbox: a stream per shard. What is in it was not confirmed by the bus yet.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use redis::{Cmd, aio::MultiplexedConnection};
use svc_kit::bus::Message;
use tokio::sync::{Mutex, Notify};

use super::{RedisStore, entry, failed};
use crate::{
    domain::{id::Shard, revision::Revision},
    ports::{Outbox, StoreError},
};

/// Longest that one read waits for events.
const WAIT_MAX: Duration = Duration::from_millis(500);
/// Pause between two looks in a cluster, where one read cannot wait for several shards: events of other replicas are late
/// by this at most; our own wake us.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Most reads for what is taken at once: one of all shards, and those that share out what some leave over.
const READS_MAX: usize = 4;

/// How the outbox is read.
#[derive(Default)]
pub(super) struct Reader {
    /// A connection of its own: a read that waits would hold up every call behind it. With the epoch that it is right at.
    waiting: Mutex<Option<(u64, MultiplexedConnection)>>,
    /// A commit of this replica left events.
    arrived: Notify,
}

impl Reader {
    pub(super) fn wake(&self) {
        self.arrived.notify_one();
    }
}

/// A shard, and what was read of it.
type Entries = (Shard, Vec<Entry>);
/// Position, and the one field with its value.
type Entry = (String, (String, Vec<u8>));
/// The answer to a read: keys and their entries.
type Streams = Option<Vec<(String, Vec<Entry>)>>;

impl Outbox for RedisStore {
    /// Every shard is read up to the same share first; what some have left over is shared by those that have more. So nothing is
    /// read that is not taken.
    async fn take(
        &self,
        after: &[(Shard, Revision)],
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<(Shard, Revision, Message)>, StoreError> {
        let (mut taken, mut open, mut wait) = (Vec::new(), after.to_vec(), wait.min(WAIT_MAX));
        for _ in 0..READS_MAX {
            if open.is_empty() {
                break;
            }
            let share = ((limit - taken.len()) / open.len()).max(1);
            let found = if self.link.is_cluster() {
                self.look(&open, share, wait).await?
            } else {
                self.wait(&open, share, wait).await?
            };
            (wait, open) = (Duration::ZERO, Vec::new());
            for (shard, entries) in found {
                let is_full = entries.len() == share;
                for (id, (_, entry)) in entries {
                    let position = Revision::parse(&id).ok_or(StoreError::Unreadable("an entry of the outbox"))?;
                    taken.push((shard, position, entry::decode(&self.deployment, shard, position, entry)?));
                }
                if let Some((shard, last, _)) = taken.last().filter(|_| is_full) {
                    open.push((*shard, *last));
                }
            }
            taken.truncate(limit);
            open.truncate(limit - taken.len());
        }
        Ok(taken)
    }

    async fn remove(&self, events: &[(Shard, Revision)]) -> Result<(), StoreError> {
        let mut removals: HashMap<Shard, Cmd> = HashMap::new();
        for (shard, position) in events {
            let removal = removals.entry(*shard).or_insert_with(|| {
                let mut removal = redis::cmd("XDEL");
                removal.arg(self.keys.outbox(*shard));
                removal
            });
            removal.arg(position.to_string());
        }
        let removals: Vec<_> = removals.into_iter().map(|(shard, removal)| (self.link.shard(shard), removal)).collect();
        self.link.scatter::<u64>(&removals).await.into_iter().try_for_each(|removed| removed.map(drop))
    }
}

impl RedisStore {
    /// One read that waits for all shards: they are on one server.
    async fn wait(
        &self,
        after: &[(Shard, Revision)],
        share: usize,
        wait: Duration,
    ) -> Result<Vec<Entries>, StoreError> {
        let mut slot = self.outbox.waiting.lock().await;
        let (epoch, mut connection) = match slot.take() {
            Some((epoch, connection)) if epoch == self.link.epoch() => (epoch, connection),
            _ => self.link.waiting(self.link.shard(Shard(0)), WAIT_MAX).await.map_err(failed)?,
        };
        let keys: Vec<String> = after.iter().map(|(shard, _)| self.keys.outbox(*shard)).collect();
        let mut read = read(share, wait);
        for key in &keys {
            read.arg(key);
        }
        for (_, position) in after {
            read.arg(position.to_string());
        }
        let streams: Streams = read.query_async(&mut connection).await.map_err(failed)?;
        *slot = Some((epoch, connection));
        let shards: HashMap<_, _> = keys.into_iter().zip(after).map(|(key, (shard, _))| (key, *shard)).collect();
        let streams = streams.unwrap_or_default().into_iter();
        Ok(streams.filter_map(|(key, entries)| Some((*shards.get(&key)?, entries))).collect())
    }

    /// Looks at every shard where it is, again and again for a while.
    async fn look(
        &self,
        after: &[(Shard, Revision)],
        share: usize,
        wait: Duration,
    ) -> Result<Vec<Entries>, StoreError> {
        let read = |(shard, position): &(Shard, Revision)| {
            let mut read = read(share, Duration::ZERO);
            read.arg(self.keys.outbox(*shard)).arg(position.to_string());
            (self.link.shard(*shard), read)
        };
        let reads: Vec<_> = after.iter().map(read).collect();
        let started = Instant::now();
        loop {
            let (mut found, mut failure) = (Vec::new(), None);
            for ((shard, _), reply) in after.iter().zip(self.link.scatter::<Streams>(&reads).await) {
                match reply {
                    Ok(streams) => found.extend(streams.unwrap_or_default().into_iter().map(|(_, ids)| (*shard, ids))),
                    Err(error) => failure = Some(error),
                }
            }
            match failure {
                // What the others have does not wait for a server that is away.
                Some(error) if found.is_empty() => return Err(error),
                _ if !found.is_empty() || started.elapsed() >= wait => return Ok(found),
                _ => drop(tokio::time::timeout(LOOK_EVERY, self.outbox.arrived.notified()).await),
            }
        }
    }
}

/// The beginning of a read.
fn read(share: usize, wait: Duration) -> Cmd {
    let mut read = redis::cmd("XREAD");
    read.arg("COUNT").arg(share);
    if !wait.is_zero() {
        read.arg("BLOCK").arg(wait.as_millis() as u64);
    }
    read.arg("STREAMS");
    read
}
