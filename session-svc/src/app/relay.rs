//! Moves events from the outbox to the bus.
//!
//! Cast: commits write events into their shard's stream; the relay of whichever replica holds the shard's lease reads
//! them in order, publishes them with confirms, and removes what was confirmed. The lease only saves work: a second
//! relay repeats events under the same ids, it cannot lose or reorder any.
//!
//! A *pass* begins where the outbox begins. While a batch is on its way to the bus the next one is read and the one before is
//! removed, so that the bus never waits for the store; three batches are in memory at most. Every shard has its share of
//! each batch. After a failure, or many batches, the next pass reads again what is still there: where the last one had come to is
//! never needed for an event to leave, it only saves reading.

use std::time::Duration;

use svc_kit::bus::{Message, PublishError, Publisher, routing_key};
use tokio::sync::Notify;

use crate::{
    domain::{id::Shard, revision::Revision},
    ports::{Outbox, StoreError},
};

/// Most events of a batch, unless there are more shards.
pub const BATCH: usize = 1_024;
/// Most batches of a pass.
const PASS: usize = 64;
/// How long a pass waits for its first event.
const WAIT: Duration = Duration::from_millis(500);

/// Why a pass of the relay stopped.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The store failed.
    #[error("the outbox cannot be read")]
    Store(#[from] StoreError),
    /// The bus did not take everything.
    #[error("the bus did not take everything")]
    Bus(#[source] PublishError),
}

/// Where an event is.
type Place = (Shard, Revision);

/// Moves the events of some shards.
pub struct Relay<'r, O, P> {
    outbox: &'r O,
    publisher: &'r P,
    /// Told of every mass revocation that is seen, whether the bus is there or not: single ends are to be recorded.
    has_cutoff: &'r Notify,
    /// Which shard comes first. Another one in each pass: what the bus does not take holds up what comes after it.
    turn: usize,
}

impl<'r, O: Outbox, P: Publisher> Relay<'r, O, P> {
    /// Makes a relay.
    pub fn new(outbox: &'r O, publisher: &'r P, has_cutoff: &'r Notify) -> Self {
        Self { outbox, publisher, has_cutoff, turn: 0 }
    }

    /// Takes events of `shards`, publishes them and removes what was confirmed, until none are left or many have gone. Waits a
    /// moment for events when there are none. Returns how many have gone.
    ///
    /// # Errors
    /// [`RelayError`]; what was confirmed is removed all the same, the rest stays.
    pub async fn pass(&mut self, shards: &[Shard]) -> Result<usize, RelayError> {
        let (mut ends, limit) = (self.starts(shards), BATCH.max(shards.len()));
        let mut batch = self.take(&mut ends, limit, WAIT).await?;
        let (mut confirmed, mut count) = (Vec::new(), 0);
        for number in 1.. {
            // A batch that is not full was all that there was.
            let is_last = batch.places.len() < limit || number == PASS;
            let next = async {
                if is_last { Ok(Batch::default()) } else { self.take(&mut ends, limit, Duration::ZERO).await }
            };
            let (sent, next, removed) = tokio::join!(self.publish(&batch), next, self.outbox.remove(&confirmed));
            removed?;
            confirmed = std::mem::take(&mut batch.places);
            confirmed.truncate(sent.as_ref().map_or_else(|error| error.confirmed, |()| confirmed.len()));
            count += confirmed.len();
            match (sent, next) {
                (Ok(()), Ok(next)) if !next.places.is_empty() => batch = next,
                (sent, next) => {
                    self.outbox.remove(&confirmed).await?;
                    sent.map_err(RelayError::Bus)?;
                    next?;
                    break;
                }
            }
        }
        Ok(count)
    }

    /// The beginnings of the shards, in the order of this pass.
    fn starts(&mut self, shards: &[Shard]) -> Vec<Place> {
        let mut starts: Vec<Place> = shards.iter().map(|shard| (*shard, Revision::default())).collect();
        self.turn = (self.turn + 1) % starts.len().max(1);
        starts.rotate_left(self.turn);
        starts
    }

    /// Takes what comes after `ends`, and moves these on.
    async fn take(&self, ends: &mut [Place], limit: usize, wait: Duration) -> Result<Batch, RelayError> {
        let mut batch = Batch::default();
        for (shard, position, message) in self.outbox.take(ends, limit, wait).await? {
            if message.routing_key == routing_key(shard.0, "sessions.cutoff") {
                self.has_cutoff.notify_one();
            }
            if let Some(end) = ends.iter_mut().find(|end| end.0 == shard) {
                end.1 = position;
            }
            batch.places.push((shard, position));
            batch.messages.push(message);
        }
        Ok(batch)
    }

    async fn publish(&self, batch: &Batch) -> Result<(), PublishError> {
        if batch.messages.is_empty() { Ok(()) } else { self.publisher.publish(&batch.messages).await }
    }
}

/// Events that leave together.
#[derive(Default)]
struct Batch {
    places: Vec<Place>,
    messages: Vec<Message>,
}
