//! The outbox: a stream per shard. What is in it was not confirmed by the bus yet.

use std::{collections::BTreeMap, time::Duration};

use redis::streams::{StreamId, StreamReadReply};
use svc_kit::{
    bus::{Message, routing_key},
    telemetry::TraceContext,
};

use super::{RedisStore, failed};
use crate::{
    contract::event,
    domain::{id::Shard, revision::Revision},
    ports::{Outbox, StoreError},
};

/// How long one read waits for events.
const BLOCK: Duration = Duration::from_millis(500);

impl Outbox for RedisStore {
    async fn take(&self, shards: &[Shard], limit: usize) -> Result<Vec<(Shard, Revision, Message)>, StoreError> {
        // A connection of its own: a read that waits would hold up every call behind it.
        let mut slot = self.outbox.lock().await;
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => self.link.waiting(BLOCK).await.map_err(failed)?,
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
        *slot = Some(connection);
        let mut taken = Vec::new();
        for stream in reply.map(|reply| reply.keys).unwrap_or_default() {
            let Some(shard) = by_key.get(&stream.key) else { continue };
            for entry in stream.ids.iter().take(limit - taken.len()) {
                taken.push(self.message(*shard, entry)?);
            }
        }
        Ok(taken)
    }

    async fn remove(&self, shard: Shard, last: Revision) -> Result<(), StoreError> {
        let next = Revision { ms: last.ms, number: last.number + 1 }.to_string();
        self.link.command(redis::cmd("XTRIM").arg(self.keys.outbox(shard)).arg("MINID").arg(next)).await
    }
}

impl RedisStore {
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
