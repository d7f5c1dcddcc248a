//! The outbox: a stream per shard. What is in it was not confirmed by the bus yet.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use redis::{
    aio::MultiplexedConnection,
    streams::{StreamId, StreamReadReply},
};
use svc_kit::{
    bus::{Message, routing_key},
    telemetry::TraceContext,
};
use tokio::sync::{Mutex, Notify};

use super::{RedisStore, failed};
use crate::{
    contract::event,
    domain::{id::Shard, revision::Revision},
    ports::{Outbox, StoreError},
};

/// How long one read waits for events.
const BLOCK: Duration = Duration::from_millis(500);
/// Pause between two looks in a cluster, where one read cannot wait for several shards: events of other replicas are late
/// by this at most; our own wake us.
const LOOK_EVERY: Duration = Duration::from_millis(100);

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

impl Outbox for RedisStore {
    async fn take(&self, shards: &[Shard], limit: usize) -> Result<Vec<(Shard, Revision, Message)>, StoreError> {
        let found =
            if self.link.is_cluster() { self.look(shards, limit).await? } else { self.wait(shards, limit).await? };
        let mut taken = Vec::new();
        for (shard, entries) in found {
            for entry in entries.iter().take(limit - taken.len()) {
                taken.push(self.message(shard, entry)?);
            }
        }
        Ok(taken)
    }

    async fn remove(&self, shard: Shard, last: Revision) -> Result<(), StoreError> {
        let next = Revision { ms: last.ms, number: last.number + 1 }.to_string();
        let mut trim = redis::cmd("XTRIM");
        trim.arg(self.keys.outbox(shard)).arg("MINID").arg(next);
        self.link.command(self.link.shard(shard), &trim).await
    }
}

/// What was read of a shard.
type Entries = (Shard, Vec<StreamId>);

impl RedisStore {
    /// One read that waits for all shards: they are on one server.
    async fn wait(&self, shards: &[Shard], limit: usize) -> Result<Vec<Entries>, StoreError> {
        let mut slot = self.outbox.waiting.lock().await;
        let place = self.link.shard(Shard(0));
        let (epoch, mut connection) = match slot.take() {
            Some((epoch, connection)) if epoch == self.link.epoch() => (epoch, connection),
            _ => self.link.waiting(place, BLOCK).await.map_err(failed)?,
        };
        let by_key: BTreeMap<String, Shard> = shards.iter().map(|shard| (self.keys.outbox(*shard), *shard)).collect();
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(limit).arg("BLOCK").arg(BLOCK.as_millis() as u64).arg("STREAMS");
        for key in by_key.keys() {
            read.arg(key);
        }
        for _ in &by_key {
            read.arg("0");
        }
        let reply: Option<StreamReadReply> = read.query_async(&mut connection).await.map_err(failed)?;
        *slot = Some((epoch, connection));
        let streams = reply.map(|reply| reply.keys).unwrap_or_default();
        Ok(streams.into_iter().filter_map(|stream| Some((*by_key.get(&stream.key)?, stream.ids))).collect())
    }

    /// Looks at every shard where it is, again and again for a while.
    async fn look(&self, shards: &[Shard], limit: usize) -> Result<Vec<Entries>, StoreError> {
        let read = |shard: &Shard| {
            let mut read = redis::cmd("XREAD");
            read.arg("COUNT").arg(limit).arg("STREAMS").arg(self.keys.outbox(*shard)).arg("0");
            (self.link.shard(*shard), read)
        };
        let reads: Vec<_> = shards.iter().map(read).collect();
        let started = Instant::now();
        loop {
            let (mut found, mut failure) = (Vec::new(), None);
            for (shard, reply) in shards.iter().zip(self.link.scatter::<Option<StreamReadReply>>(&reads).await) {
                match reply {
                    Ok(reply) => {
                        let streams = reply.map(|reply| reply.keys).unwrap_or_default();
                        found.extend(streams.into_iter().map(|stream| (*shard, stream.ids)));
                    }
                    Err(error) => failure = Some(error),
                }
            }
            match failure {
                // What the others have does not wait for a server that is away.
                Some(error) if found.is_empty() => return Err(error),
                _ if !found.is_empty() || started.elapsed() >= BLOCK => return Ok(found),
                _ => drop(tokio::time::timeout(LOOK_EVERY, self.outbox.arrived.notified()).await),
            }
        }
    }

    fn message(&self, shard: Shard, entry: &StreamId) -> Result<(Shard, Revision, Message), StoreError> {
        let unreadable = || StoreError::Unreadable("an entry of the outbox");
        let revision = Revision::parse(&entry.id).ok_or_else(unreadable)?;
        let (body, kind): (Option<Vec<u8>>, Option<String>) = (entry.get("e"), entry.get("t"));
        let (traceparent, tracestate): (Option<String>, Option<String>) = (entry.get("p"), entry.get("s"));
        let id = event::id(&self.deployment, shard, revision);
        let message = Message {
            body: event::with_id(&body.ok_or_else(unreadable)?, &id),
            routing_key: routing_key(shard.0, &kind.ok_or_else(unreadable)?),
            id,
            trace: TraceContext {
                traceparent: traceparent.unwrap_or_default(),
                tracestate: tracestate.unwrap_or_default(),
            },
        };
        Ok((shard, revision, message))
    }
}
