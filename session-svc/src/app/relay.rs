//! Moves events from the outbox to the bus.
//!
//! Cast: commits write events into their shard's stream; the relay of whichever replica holds the shard's lease reads
//! them in order, publishes them with confirms, and removes the confirmed prefix. The lease only saves work: a second
//! relay repeats events under the same ids, it cannot lose or reorder any.

use std::collections::BTreeMap;

use svc_kit::bus::{Message, PublishError, Publisher, routing_key};
use tokio::sync::Notify;

use crate::{
    domain::{id::Shard, revision::Revision},
    ports::{Outbox, StoreError},
};

/// Most events taken at once.
const BATCH: usize = 256;

/// Why a round of the relay stopped.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The store failed.
    #[error("the outbox cannot be read")]
    Store(#[from] StoreError),
    /// The bus did not take everything.
    #[error("the bus did not take everything")]
    Bus(#[source] PublishError),
}

/// Takes events of `shards`, publishes them, removes what was confirmed. Waits a moment for events when there are none.
/// Whoever records the single ends of a mass revocation is woken as soon as one is seen, whether the bus is there or not.
///
/// # Errors
/// [`RelayError`]; what was confirmed is removed all the same, the rest stays.
pub async fn relay<O: Outbox, P: Publisher>(
    outbox: &O,
    publisher: &P,
    shards: &[Shard],
    has_cutoff: &Notify,
) -> Result<usize, RelayError> {
    let taken = outbox.take(shards, BATCH).await?;
    if taken.iter().any(|(shard, _, message)| message.routing_key == routing_key(shard.0, "sessions.cutoff")) {
        has_cutoff.notify_one();
    }
    let (places, messages): (Vec<(Shard, Revision)>, Vec<Message>) =
        taken.into_iter().map(|(shard, revision, message)| ((shard, revision), message)).unzip();
    if messages.is_empty() {
        return Ok(0);
    }
    let result = publisher.publish(&messages).await;
    let confirmed = result.as_ref().map_or_else(|error| error.confirmed, |()| messages.len());
    let last_of: BTreeMap<Shard, Revision> = places.into_iter().take(confirmed).collect();
    for (shard, last) in last_of {
        outbox.remove(shard, last).await?;
    }
    result.map(|()| confirmed).map_err(RelayError::Bus)
}
