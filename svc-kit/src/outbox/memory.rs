//! An outbox in memory.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

use super::{BATCH_MAX, RETRY_AFTER};
use crate::{
    bus::{Message, Publisher},
    lifecycle::Lifecycle,
};

/// Events that wait; clones share them. Unbounded on purpose: the state beside it is in memory as well.
#[derive(Clone, Default)]
pub struct MemoryOutbox {
    waiting: Arc<Mutex<VecDeque<Message>>>,
    arrived: Arc<Notify>,
}

impl MemoryOutbox {
    /// Adds events.
    pub fn push(&self, events: impl IntoIterator<Item = Message>) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).extend(events);
        self.arrived.notify_one();
    }

    /// Returns what waits; for tests.
    pub fn waiting(&self) -> Vec<Message> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Relays to `publisher` as a task of `lifecycle`.
    pub fn relay<P: Publisher>(&self, publisher: P, lifecycle: &Lifecycle) {
        let (this, soft) = (self.clone(), lifecycle.soft().clone());
        lifecycle.spawn("outbox relay", async move {
            tokio::select! {
                () = this.run(&publisher) => {}
                () = soft.cancelled() => {}
            }
            Ok::<_, Infallible>(())
        });
    }

    async fn run<P: Publisher>(&self, publisher: &P) {
        loop {
            let arrived = self.arrived.notified();
            let batch: Vec<Message> = self.waiting().into_iter().take(BATCH_MAX).collect();
            if batch.is_empty() {
                arrived.await;
                continue;
            }
            let result = publisher.publish(&batch).await;
            let confirmed = result.as_ref().map_or_else(|error| error.confirmed, |()| batch.len());
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).drain(..confirmed);
            if result.is_err() {
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}
