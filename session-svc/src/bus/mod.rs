//! Tasks of the process: watch the store, keep leases, relay events, sweep.

use std::{convert::Infallible, sync::Arc, time::Duration};

use svc_kit::{bus::Publisher, error::chain, lifecycle::Lifecycle, ops::Readiness};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    app::{Sessions, relay::Relay},
    domain::id::Shard,
    ports::{Chores, Outbox, PolicyStore, SessionStore, StoreError},
};

/// How long a lease lasts without being kept; after this another replica takes over.
const LEASE: Duration = Duration::from_secs(6);
/// How often leases are kept, and the store is probed.
const KEEP: Duration = Duration::from_secs(2);
/// How often a shard is swept at least. Expiry events are late by this at most, and a little; a cutoff is seen at once.
const SWEEP: Duration = Duration::from_secs(1);
/// How often old cutoffs are looked for.
const FORGET_EVERY: u32 = 3600;
/// How often the store is looked at.
const WATCH: Duration = Duration::from_secs(1);
/// Passes of the relay begin this far apart at least: under load what is committed meanwhile leaves together, and an outbox in use is
/// read 200 times a second and not once for each event. Events are late by this at most.
const PACE: Duration = Duration::from_millis(5);
/// How long the relay waits after a failure.
const RETRY: Duration = Duration::from_millis(250);

/// Starts the tasks. `replica` names this process among its like.
pub fn spawn<S, P>(
    sessions: Arc<Sessions<S>>,
    publisher: P,
    replica: String,
    readiness: Readiness,
    lifecycle: &Lifecycle,
) where
    S: Chores + Outbox + PolicyStore,
    P: Publisher,
{
    let (held, shards) = watch::channel(Vec::new());
    spawn_until_soft(lifecycle, "watch", watch_store(sessions.store.clone(), readiness.clone()));
    spawn_until_soft(lifecycle, "leases", keep_leases(sessions.clone(), held, replica, readiness));
    let has_cutoff = Arc::new(Notify::new());
    let relay = relay_events(sessions.store.clone(), publisher, shards.clone(), has_cutoff.clone());
    spawn_until_soft(lifecycle, "relay", relay);
    spawn_until_soft(lifecycle, "sweeper", sweep(sessions, shards, has_cutoff));
}

fn spawn_until_soft(
    lifecycle: &Lifecycle,
    name: &'static str,
    task: impl Future<Output = Infallible> + Send + 'static,
) {
    let soft = lifecycle.soft().clone();
    lifecycle.spawn(name, async move {
        tokio::select! {
            never = task => match never {},
            () = soft.cancelled() => Ok::<_, Infallible>(()),
        }
    });
}

async fn watch_store<S: SessionStore>(store: Arc<S>, readiness: Readiness) -> Infallible {
    loop {
        let clock = match store.probe().await {
            Err(error @ StoreError::Skewed(_)) => Err(error.to_string()),
            // Whether it answers is for those to say who need it.
            _ => Ok(()),
        };
        readiness.set("clock", clock);
        tokio::time::sleep(WATCH).await;
    }
}

async fn keep_leases<S: Chores>(
    sessions: Arc<Sessions<S>>,
    held: watch::Sender<Vec<Shard>>,
    replica: String,
    readiness: Readiness,
) -> Infallible {
    loop {
        match sessions.store.lease(&replica, LEASE).await {
            Ok(shards) => {
                held.send_if_modified(|before| {
                    *before != shards && {
                        *before = shards;
                        true
                    }
                });
                readiness.set("store", Ok(()));
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "the store does not answer");
                readiness.set("store", Err("the store does not answer".to_owned()));
            }
        }
        tokio::time::sleep(KEEP).await;
    }
}

async fn relay_events<O: Outbox, P: Publisher>(
    outbox: Arc<O>,
    publisher: P,
    mut shards: watch::Receiver<Vec<Shard>>,
    has_cutoff: Arc<Notify>,
) -> Infallible {
    let mut relay = Relay::new(&*outbox, &publisher, &has_cutoff);
    let mut was_good = true;
    loop {
        let mine = shards.borrow_and_update().clone();
        if mine.is_empty() {
            let _ = tokio::time::timeout(KEEP, shards.changed()).await;
            continue;
        }
        let begun = Instant::now();
        match relay.pass(&mine).await {
            Ok(_) => {
                was_good = true;
                tokio::time::sleep_until(begun + PACE).await;
            }
            Err(error) => {
                // Once a spell: a broker that is away for an hour is one fact.
                if was_good {
                    tracing::warn!(error = chain(&error), "events wait in the outbox");
                }
                was_good = false;
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn sweep<S: Chores + PolicyStore>(
    sessions: Arc<Sessions<S>>,
    shards: watch::Receiver<Vec<Shard>>,
    has_cutoff: Arc<Notify>,
) -> Infallible {
    let mut round: u32 = 0;
    loop {
        let mine = shards.borrow().clone();
        // Whoever has the first shard does what there is once for all of them.
        if mine.first() == Some(&Shard(0))
            && let Err(error) = sessions.announce_rest().await
        {
            tracing::warn!(error = chain(&error), "policies cannot be announced now");
        }
        for shard in mine {
            let settled = sessions.settle(shard).await;
            let swept = loop {
                match sessions.sweep(shard).await {
                    Ok(true) => {}
                    other => break other,
                }
            };
            let forgotten =
                if round.is_multiple_of(FORGET_EVERY) { sessions.forget_cutoffs(shard).await } else { Ok(()) };
            if let Err(error) = settled.and(swept.map(drop)).and(forgotten) {
                tracing::warn!(error = chain(&error), shard = shard.0, "the shard cannot be swept now");
                break;
            }
        }
        round = round.wrapping_add(1);
        let _ = tokio::time::timeout(SWEEP, has_cutoff.notified()).await;
    }
}
