//! The relay, over each store and a bus that does what a test wants.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use session_svc::{
    app::relay::{BATCH, Relay, RelayError},
    domain::id::Shard,
};
use svc_kit::bus::{BusError, Message, PublishError, Publisher};
use tokio::sync::Notify;

use crate::{
    port::{Port, for_each_store, outbox::tell},
    support::AnyStore,
};

for_each_store!(
    an_overload_of_one_shard_does_not_hold_up_another,
    everything_leaves_once_and_in_order,
    what_the_bus_did_not_take_stays,
    what_the_bus_refuses_does_not_always_come_first,
);

const SHARDS: [Shard; 2] = [Shard(0), Shard(1)];

/// A bus that keeps what it takes.
struct Bus {
    batches: Mutex<Vec<Vec<Message>>>,
    /// How many messages it still takes.
    room: AtomicUsize,
    /// A message that it never takes.
    refused: Option<String>,
}

impl Bus {
    fn new() -> Self {
        Self { batches: Mutex::default(), room: AtomicUsize::new(usize::MAX), refused: None }
    }

    /// The ids of what it took, in order, by partition.
    fn taken(&self) -> BTreeMap<String, Vec<String>> {
        let mut taken = BTreeMap::<_, Vec<_>>::new();
        for message in self.batches.lock().unwrap().iter().flatten() {
            taken.entry(message.routing_key[..2].to_owned()).or_default().push(message.id.clone());
        }
        taken
    }
}

impl Publisher for Bus {
    async fn publish(&self, batch: &[Message]) -> Result<(), PublishError> {
        tokio::task::yield_now().await;
        let refused = batch.iter().position(|message| Some(&message.id) == self.refused.as_ref());
        let room = refused.unwrap_or(usize::MAX).min(self.room.load(SeqCst));
        let taken = &batch[..batch.len().min(room)];
        self.room.fetch_sub(taken.len(), SeqCst);
        self.batches.lock().unwrap().push(taken.to_vec());
        if taken.len() == batch.len() {
            return Ok(());
        }
        Err(PublishError { confirmed: taken.len(), cause: BusError::Refused })
    }
}

async fn an_overload_of_one_shard_does_not_hold_up_another<S: AnyStore>(port: &Port<S>) {
    tell(port, Shard(0), 3 * BATCH).await;
    tell(port, Shard(1), 1).await;
    let (bus, has_cutoff) = (Bus::new(), Notify::new());
    Relay::new(&port.store, &bus, &has_cutoff).pass(&SHARDS).await.unwrap();
    let first = bus.batches.lock().unwrap()[0].clone();
    assert!(first.iter().any(|message| message.routing_key.starts_with("01.")), "it leaves with the first");
    assert_eq!(first.len(), BATCH);
}

/// The ids of all events that wait.
async fn waiting<S: AnyStore>(port: &Port<S>) -> Vec<String> {
    port.waiting(10 * BATCH).await.into_iter().map(|(_, _, message)| message.id).collect()
}

async fn everything_leaves_once_and_in_order<S: AnyStore>(port: &Port<S>) {
    tell(port, Shard(0), 2 * BATCH + 100).await;
    tell(port, Shard(1), BATCH / 4).await;
    let all = waiting(port).await;
    let (bus, has_cutoff) = (Bus::new(), Notify::new());
    let count = Relay::new(&port.store, &bus, &has_cutoff).pass(&SHARDS).await.unwrap();
    assert_eq!(count, all.len());
    let taken = bus.taken();
    for (partition, shard) in [("00", "_0_"), ("01", "_1_")] {
        let of_shard: Vec<_> = all.iter().filter(|id| id.contains(shard)).cloned().collect();
        assert_eq!(taken[partition], of_shard);
    }
    assert_eq!(waiting(port).await, [""; 0]);
    let sizes: Vec<usize> = bus.batches.lock().unwrap().iter().map(Vec::len).collect();
    assert!(sizes[..sizes.len() - 1].iter().all(|size| *size == BATCH), "{sizes:?}");
}

async fn what_the_bus_did_not_take_stays<S: AnyStore>(port: &Port<S>) {
    tell(port, Shard(0), 3 * BATCH).await;
    let all = waiting(port).await;
    let (bus, has_cutoff) = (Bus::new(), Notify::new());
    bus.room.store(BATCH + 10, SeqCst);
    let mut relay = Relay::new(&port.store, &bus, &has_cutoff);
    assert!(matches!(relay.pass(&SHARDS).await, Err(RelayError::Bus(_))));
    assert_eq!(waiting(port).await, all[BATCH + 10..]);
    assert!(matches!(relay.pass(&SHARDS).await, Err(RelayError::Bus(_))));
    bus.room.store(usize::MAX, SeqCst);
    relay.pass(&SHARDS).await.unwrap();
    assert_eq!(bus.taken()["00"], all);
    assert_eq!(waiting(port).await, [""; 0]);
}

/// Each pass begins at another shard: what stands behind a message that is always refused leaves before it some time.
async fn what_the_bus_refuses_does_not_always_come_first<S: AnyStore>(port: &Port<S>) {
    for shard in SHARDS {
        tell(port, shard, 1).await;
    }
    let refused = waiting(port).await.remove(0);
    let (bus, has_cutoff) = (Bus { refused: Some(refused.clone()), ..Bus::new() }, Notify::new());
    let mut relay = Relay::new(&port.store, &bus, &has_cutoff);
    for _ in SHARDS {
        assert!(relay.pass(&SHARDS).await.is_err());
    }
    assert_eq!(waiting(port).await, [refused]);
}
