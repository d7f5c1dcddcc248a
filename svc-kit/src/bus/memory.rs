//! The bus within one process: for `latchkey dev` and for tests. Ordered and at least once, like the real one.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

use super::{
    BATCH_MAX, BusError, Handler, Message, OnAttached, PARTITIONS, PublishError, Publisher, partition_of, settle,
};
use crate::lifecycle::Lifecycle;

/// Most messages that wait in a partition; publishers wait for room.
const PARTITION_MESSAGES_MAX: usize = 10_000;
/// Most messages that are kept aside; the oldest go first.
const DEAD_MESSAGES_MAX: usize = 1_000;

#[derive(Default)]
struct Partition {
    messages: Mutex<VecDeque<Message>>,
    arrived: Notify,
    left: Notify,
}

/// A bus in memory; clones share it.
#[derive(Clone)]
pub struct MemoryBus {
    partitions: Arc<Vec<Partition>>,
    dead: Arc<Mutex<VecDeque<Message>>>,
}

impl Default for MemoryBus {
    fn default() -> Self {
        let partitions = (0..PARTITIONS).map(|_| Partition::default()).collect();
        Self { partitions: Arc::new(partitions), dead: Arc::default() }
    }
}

impl MemoryBus {
    /// Makes an empty bus.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the messages that nobody could deal with.
    pub fn dead(&self) -> Vec<Message> {
        self.dead.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Consumes every partition as tasks of `lifecycle`.
    pub(super) fn consume<H: Handler>(self, handler: H, on_attached: OnAttached, lifecycle: &Lifecycle) {
        let handler = Arc::new(handler);
        on_attached(Ok(()));
        for partition in 0..usize::from(PARTITIONS) {
            let (this, handler, token) = (self.clone(), handler.clone(), lifecycle.clone());
            lifecycle.spawn(format!("bus consumer {partition}"), async move {
                tokio::select! {
                    () = this.consume_partition(partition, &*handler, &token) => {}
                    () = token.soft().cancelled() => {}
                }
                Ok::<_, Infallible>(())
            });
        }
    }

    async fn consume_partition<H: Handler>(&self, partition: usize, handler: &H, lifecycle: &Lifecycle) {
        let Some(partition) = self.partitions.get(partition) else { return };
        loop {
            let arrived = partition.arrived.notified();
            let batch = partition.first(usize::from(BATCH_MAX));
            if batch.is_empty() {
                arrived.await;
                continue;
            }
            let Ok(dead) = settle(handler, &batch, lifecycle).await else { return };
            let aside = batch.iter().zip(&dead).filter(|(_, is_dead)| **is_dead).map(|(message, _)| message.clone());
            self.put_aside(aside);
            partition.remove_first(batch.len());
        }
    }

    fn put_aside(&self, messages: impl Iterator<Item = Message>) {
        let mut dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        dead.extend(messages);
        let surplus = dead.len().saturating_sub(DEAD_MESSAGES_MAX);
        dead.drain(..surplus);
    }
}

impl Partition {
    fn first(&self, count: usize) -> Vec<Message> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).iter().take(count).cloned().collect()
    }

    fn remove_first(&self, count: usize) {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).drain(..count);
        self.left.notify_waiters();
    }

    async fn push(&self, message: &Message) {
        loop {
            let left = self.left.notified();
            {
                let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
                if messages.len() < PARTITION_MESSAGES_MAX {
                    messages.push_back(message.clone());
                    self.arrived.notify_one();
                    return;
                }
            }
            left.await;
        }
    }
}

impl Publisher for MemoryBus {
    async fn publish(&self, batch: &[Message]) -> Result<(), PublishError> {
        for (confirmed, message) in batch.iter().enumerate() {
            let partition = partition_of(&message.routing_key).and_then(|p| self.partitions.get(usize::from(p)));
            let Some(partition) = partition else {
                let cause = BusError::Unroutable(message.routing_key.clone());
                return Err(PublishError { confirmed, cause });
            };
            partition.push(message).await;
        }
        Ok(())
    }
}
