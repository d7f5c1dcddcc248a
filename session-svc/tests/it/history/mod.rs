//! Many clients at once, replicas that are killed and started again, and a check of everything that was told (I1 to I4).
//!
//! `LATCHKEY_HISTORY_CALLS` sets the number of calls of each client, `LATCHKEY_HISTORY_SEED` what they do; in which order
//! the calls meet is up to the machine. Stores that are broken on purpose have to be found out.

mod checker;
mod clients;
mod replica;

/// Starts a server of its own.
mod heavy {
    use std::{
        collections::HashSet,
        sync::{
            Arc,
            atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        },
    };

    use futures::future::join_all;
    use prost::Message as _;
    use proto::event::v1::Event;
    use session_svc::{
        domain::id::{SessionId, Shard, TenantId, Whose},
        ports::{Chores as _, ListQuery, Outbox as _, SessionStore as _},
    };
    use svc_kit::{
        clock::ManualClock,
        entropy::{self, OsEntropy},
    };

    use super::{
        checker::{Final, History},
        clients::World,
        replica::{Recipe, Replica, SHARDS},
    };
    use crate::support::{
        mutant::Fault, redis_cluster::RedisCluster, redis_server::RedisServer, service::START, waiting_events,
    };

    const CLIENTS: u64 = 8;
    const REPLICAS: usize = 3;
    const CALLS: u64 = 400;
    const MUTANT_CALLS: u64 = 150;

    fn number(name: &str) -> Option<u64> {
        std::env::var(name).ok().map(|value| value.parse().expect("a number"))
    }

    /// Lets clients loose on replicas with a fault; returns the violations that the checker finds.
    async fn violations(fault: Fault, calls: u64) -> Vec<String> {
        let redis = RedisServer::start_with(&[]).await;
        let recipe = Recipe { url: redis.url(), clock: Arc::new(ManualClock::new(START)), fault };
        violations_while(recipe, calls, async |_| {}).await
    }

    /// The same while something happens to the store, until the clients are done.
    async fn violations_while(recipe: Recipe, calls: u64, happens: impl AsyncFn(&AtomicBool)) -> Vec<String> {
        let seed = number("LATCHKEY_HISTORY_SEED").unwrap_or_else(|| u64::from_be_bytes(entropy::bytes(&OsEntropy)));
        let replicas = (0..REPLICAS).map(|_| Replica::start(recipe.clone())).collect();
        let world = World::new(replicas, recipe.clock.clone());
        let (calls, are_done) = (usize::try_from(calls).unwrap(), AtomicBool::new(false));
        let clients = async {
            join_all((0..CLIENTS).map(|client| world.client(seed.wrapping_add(client), calls))).await;
            are_done.store(true, SeqCst);
        };
        tokio::join!(clients, happens(&are_done));
        let calls = std::mem::take(&mut *world.calls.lock().unwrap());
        assert!(calls.len() > 100, "clients are answered");
        // What comes after is done by a replica without a fault.
        let (events, finals) = rest(&Recipe { fault: Fault::None, ..recipe }).await;
        let found = History { calls, events, finals }.violations();
        found.into_iter().map(|violation| format!("seed {seed}: {violation}")).collect()
    }

    /// Lets the sweeper finish; returns all events and all sessions.
    async fn rest(recipe: &Recipe) -> (Vec<Event>, Vec<Final>) {
        let sessions = recipe.sessions();
        let (mut events, mut finals) = (Vec::new(), Vec::new());
        for shard in (0..SHARDS).map(Shard) {
            while sessions.sweep(shard).await.unwrap() {}
            assert!(sessions.store.unfinished(shard).await.unwrap().is_empty(), "everything is cleaned up");
            loop {
                let taken = waiting_events(&*sessions.store, &[shard], 1_000).await;
                if taken.is_empty() {
                    break;
                }
                let places: Vec<_> = taken.iter().map(|(shard, position, _)| (*shard, *position)).collect();
                sessions.store.remove(&places).await.unwrap();
                events.extend(taken.into_iter().map(|(_, _, message)| Event::decode(message.body).unwrap()));
            }
            let whose = Whose::Tenant(TenantId::parse("acme").unwrap());
            let query = ListQuery { after: None, newest_first: false, limit: 100_000 };
            let reads = sessions.store.list(shard, &whose, query).await.unwrap();
            finals.extend(reads.into_iter().map(|read| Final {
                id: read.stored.session.id,
                sequence: read.stored.sequence,
                generation: read.stored.session.token.generation,
                mode: read.stored.session.token.mode,
                is_ended: read.stored.session.end.is_some(),
            }));
        }
        let ids: HashSet<SessionId> = finals.iter().map(|known| known.id).collect();
        assert_eq!(ids.len(), finals.len(), "listed once");
        (events, finals)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_clients_are_told_holds_while_replicas_are_killed() {
        let violations = violations(Fault::None, number("LATCHKEY_HISTORY_CALLS").unwrap_or(CALLS)).await;
        assert!(violations.is_empty(), "{} violations, first: {}", violations.len(), violations[0]);
    }

    /// Both shards move from node to node all the while.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_clients_are_told_holds_while_slots_move() {
        let cluster = RedisCluster::start().await;
        let recipe = Recipe { url: cluster.url(), clock: Arc::new(ManualClock::new(START)), fault: Fault::None };
        let moves = AtomicUsize::new(0);
        let violations = violations_while(recipe, CALLS, async |are_done| {
            while !are_done.load(SeqCst) {
                for shard in 0..SHARDS {
                    let mut slot = redis::cmd("CLUSTER");
                    slot.arg("KEYSLOT").arg(format!("v1:{{{shard:04x}}}"));
                    let slot = cluster.nodes[0].ask(&slot).await.unwrap();
                    cluster.move_slot(slot, tokio::task::yield_now).await;
                    moves.fetch_add(1, SeqCst);
                }
            }
        })
        .await;
        assert!(violations.is_empty(), "{} violations, first: {}", violations.len(), violations[0]);
        assert!(moves.load(SeqCst) >= 4, "{moves:?} moves");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn broken_stores_are_found_out() {
        for (fault, invariant) in [
            (Fault::NoGuard, "I"),
            (Fault::NoCutoffs, "I1"),
            (Fault::NoEnd, "I"),
            (Fault::NoEvent, "I4"),
            (Fault::TwoEvents, "I3"),
            (Fault::TwoSteps, "I2"),
        ] {
            let violations = violations(fault, MUTANT_CALLS).await;
            let names_it = |violation: &String| violation.contains(&format!(": {invariant}"));
            assert!(violations.iter().any(names_it), "{fault:?}: {violations:?}");
        }
    }
}
