//! The event bus: ordered partitions, confirmed publishing, at-least-once consuming.
//!
//! Cast: a **relay** (in the service that has an outbox) hands batches to a [`Publisher`] and learns how long a prefix of
//! them the bus has taken for good. A **consumer** hands batches of one partition, in order and one at a time, to a
//! [`Handler`], and takes them off the bus only when the handler says so. A process may die anywhere in between: what was
//! not confirmed is published again, what was not taken off is delivered again. Everybody recognises repetitions by
//! [`Message::id`].
//!
//! The bus knows no event type; a message is an id, a routing key `<partition>.<type>.v1` and bytes.

mod memory;
mod rabbit;
mod topology;

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

pub use memory::MemoryBus;
pub use rabbit::{RabbitConsumer, RabbitPublisher};
pub use topology::{DEAD_QUEUE, EXCHANGE, IN_QUEUE, UNROUTED_QUEUE};

use crate::{
    boot::{BootError, Parts},
    config::{BusConfig, BusKind},
    lifecycle::Lifecycle,
    telemetry::TraceContext,
};

/// Number of partitions; messages of one partition stay in order.
pub const PARTITIONS: u16 = 16;
/// Most messages that a publisher has sent and that are not confirmed.
pub const WINDOW_MAX: usize = 128;
/// Most messages that a handler gets at once, and that a broker hands out unacknowledged.
pub const BATCH_MAX: u16 = 200;

const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LAST: Duration = Duration::from_secs(5);

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Identifies the message for ever; a repetition has the same id and content.
    pub id: String,
    /// `<partition>.<type>.v1`, see [`routing_key`].
    pub routing_key: String,
    /// The encoded event.
    pub body: Bytes,
    /// The trace that caused it.
    pub trace: TraceContext,
}

/// Returns the routing key of an event: two digits of partition, type, version.
pub fn routing_key(shard: u16, event_type: &str) -> String {
    format!("{:02}.{event_type}.v1", shard % PARTITIONS)
}

/// Returns the partition shard of an aggregate that has no shard of its own.
pub fn shard_of(aggregate_id: &str) -> u16 {
    let hash = crate::secret::sha256(aggregate_id.as_bytes());
    u16::from_be_bytes([hash[0], hash[1]])
}

/// What a routing key says about its partition.
fn partition_of(routing_key: &str) -> Option<u16> {
    routing_key.get(..2)?.parse().ok().filter(|partition| *partition < PARTITIONS)
}

/// Why publishing stopped.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The broker is away or the connection broke.
    #[error("the broker is away")]
    Broker(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The broker did not answer in time.
    #[error("the broker did not answer in time")]
    Timeout,
    /// The broker did not take the message.
    #[error("the broker refused the message")]
    Refused,
    /// No queue takes the message.
    #[error("no queue takes routing key {0}")]
    Unroutable(String),
    /// The bus is stopping.
    #[error("the bus is closed")]
    Closed,
}

/// Publishing stopped after a prefix of the batch.
#[derive(Debug, thiserror::Error)]
#[error("the bus took {confirmed} messages of the batch")]
pub struct PublishError {
    /// How many messages, from the start of the batch, the bus has for good.
    pub confirmed: usize,
    /// Why it has no more.
    #[source]
    pub cause: BusError,
}

/// Puts messages on the bus.
pub trait Publisher: Send + Sync + 'static {
    /// Publishes `batch` in order; returns when the bus has all of it for good.
    fn publish(&self, batch: &[Message]) -> impl Future<Output = Result<(), PublishError>> + Send;
}

/// What becomes of a delivered message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is dealt with.
    Done,
    /// It can never be dealt with; keep it aside for people.
    Dead,
    /// It cannot be dealt with now; nothing after it is handed out until it is.
    Retry,
}

/// Deals with messages. Must expect repetitions.
pub trait Handler: Send + Sync + 'static {
    /// Deals with a batch of one partition; returns one outcome a message.
    fn handle(&self, batch: &[Message]) -> impl Future<Output = Vec<Outcome>> + Send;
}

/// Called with whether the consumer is attached to the bus.
pub type OnAttached = Arc<dyn Fn(Result<(), String>) + Send + Sync>;

/// Hands a batch to `handler` until none of it asks for a retry. `Err` when shutdown comes first.
async fn settle<H: Handler>(handler: &H, batch: &[Message], lifecycle: &Lifecycle) -> Result<Vec<bool>, BusError> {
    let mut dead = vec![false; batch.len()];
    let mut open: Vec<usize> = (0..batch.len()).collect();
    let mut wait = RETRY_FIRST;
    loop {
        let outcomes = if open.len() == batch.len() {
            handler.handle(batch).await
        } else {
            let messages: Vec<Message> = open.iter().map(|position| batch[*position].clone()).collect();
            handler.handle(&messages).await
        };
        let mut left = Vec::new();
        for (place, position) in open.iter().enumerate() {
            match outcomes.get(place).copied().unwrap_or(Outcome::Retry) {
                Outcome::Done => {}
                Outcome::Dead => dead[*position] = true,
                Outcome::Retry => left.push(*position),
            }
        }
        if left.is_empty() {
            return Ok(dead);
        }
        open = left;
        tokio::select! {
            () = tokio::time::sleep(wait) => wait = (wait * 2).min(RETRY_LAST),
            () = lifecycle.soft().cancelled() => return Err(BusError::Closed),
        }
    }
}

/// The publisher that configuration chose.
pub enum BusPublisher {
    /// RabbitMQ.
    Rabbit(Box<RabbitPublisher>),
    /// Memory.
    Memory(MemoryBus),
}

impl BusPublisher {
    /// Makes the publisher that `config` asks for.
    ///
    /// # Errors
    /// Fails when memory is asked for and the process shares no memory bus.
    pub fn new(config: &BusConfig, parts: &Parts) -> Result<Self, BootError> {
        match config.kind {
            BusKind::Rabbitmq => Ok(Self::Rabbit(Box::new(RabbitPublisher::new(config)))),
            BusKind::Memory => memory_bus(parts).map(Self::Memory),
        }
    }
}

impl Publisher for BusPublisher {
    async fn publish(&self, batch: &[Message]) -> Result<(), PublishError> {
        match self {
            Self::Rabbit(rabbit) => rabbit.publish(batch).await,
            Self::Memory(memory) => memory.publish(batch).await,
        }
    }
}

/// Consumes every partition as tasks of the process, by the bus that configuration chose.
///
/// # Errors
/// Fails when memory is asked for and the process shares no memory bus.
pub fn consume<H: Handler>(
    config: &BusConfig,
    parts: &Parts,
    handler: H,
    on_attached: OnAttached,
) -> Result<(), BootError> {
    match config.kind {
        BusKind::Rabbitmq => RabbitConsumer::new(config).spawn(handler, on_attached, &parts.lifecycle),
        BusKind::Memory => memory_bus(parts)?.consume(handler, on_attached, &parts.lifecycle),
    }
    Ok(())
}

fn memory_bus(parts: &Parts) -> Result<MemoryBus, BootError> {
    let missing = || BootError::new("bus.kind = memory works only where services share a process (latchkey dev)");
    parts.memory_bus.clone().ok_or_else(missing)
}

/// A wait that doubles with every failure in a row and starts over after a good spell.
struct Backoff {
    next: Duration,
    since: Instant,
}

impl Backoff {
    fn new() -> Self {
        Self { next: RETRY_FIRST, since: Instant::now() }
    }

    async fn wait(&mut self) {
        if self.since.elapsed() > RETRY_LAST * 4 {
            self.next = RETRY_FIRST;
        }
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(RETRY_LAST);
        self.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routing_keys_name_partition_type_and_version() {
        assert_eq!(routing_key(19, "session.revoked"), "03.session.revoked.v1");
        assert_eq!(partition_of("03.session.revoked.v1"), Some(3));
        assert_eq!((partition_of("16.x.v1"), partition_of("x"), partition_of("-1.x")), (None, None, None));
    }
}
