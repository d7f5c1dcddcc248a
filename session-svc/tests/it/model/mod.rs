//! Random histories, run through the use cases on each store and through a reference that is as plain as it can be. After
//! every step everything that can be seen must be what the reference says:
//!
//! | | |
//! |---|---|
//! | I1 | what ended stays ended, and says why |
//! | I2 | a generation advances once; it has one token |
//! | I3 | one `session.created`, one terminal event, nothing after it, numbered without gaps |
//! | I4 | no change without its event, no event without its change |
//! | I6 | lists and counts know every session |
//! | I7 | expired means expired, to the millisecond |
//! | I8 | callers of another tenant see nothing |
//! | I9 | a repeated idempotency key has one effect and one answer |
//!
//! `LATCHKEY_MODEL_CASES` sets the number of histories and `LATCHKEY_MODEL_SEED` repeats a run; a failure prints both, and
//! the shortest history that shows it. What was found is in `docs/defects.md`.

mod answers;
mod perform;
mod reference;
mod run;
mod step;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use futures::FutureExt as _;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use session_svc::{
    domain::id::Shard,
    store::{memory::MemoryStore, redis::RedisStore},
};
use svc_kit::{
    clock::{Clock, ManualClock},
    entropy::{self, OsEntropy},
};

use crate::support::{
    AnyStore,
    mutant::{Fault, Mutant},
    redis_server::RedisServer,
    service::{START, Setting},
    use_cases::use_cases,
    waiting_events,
};
use reference::{GRACE_MS, Limits, RECOVERY_MS, Reference};
pub use run::everything;
use run::{Run, Waiting};
use step::Step;

/// Shards of the stores under test.
const SHARDS: u16 = 2;
const CASES: u32 = 2_000;
/// Histories in which a mutant has to be found out.
const MUTANT_CASES: u32 = 1_000;

const HOUR_MS: i64 = 3_600_000;
const LIMITS: Limits = Limits {
    sso: (HOUR_MS, 4 * HOUR_MS),
    sso_kept: (6 * HOUR_MS, 40 * HOUR_MS),
    application: (HOUR_MS / 2, 8 * HOUR_MS),
};

fn policy() -> Vec<Setting<'static>> {
    let ms = |ms: i64| format!("{ms}ms");
    vec![
        ("LATCHKEY_POLICY__SSO_IDLE", ms(LIMITS.sso.0)),
        ("LATCHKEY_POLICY__SSO_ABSOLUTE", ms(LIMITS.sso.1)),
        ("LATCHKEY_POLICY__SSO_KEPT_IDLE", ms(LIMITS.sso_kept.0)),
        ("LATCHKEY_POLICY__SSO_KEPT_ABSOLUTE", ms(LIMITS.sso_kept.1)),
        ("LATCHKEY_POLICY__APPLICATION_IDLE", ms(LIMITS.application.0)),
        ("LATCHKEY_POLICY__APPLICATION_ABSOLUTE", ms(LIMITS.application.1)),
        ("LATCHKEY_POLICY__ROTATION_GRACE", ms(GRACE_MS)),
        ("LATCHKEY_POLICY__LOSS_RECOVERY", ms(RECOVERY_MS)),
    ]
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

async fn run<S: AnyStore>(store: Arc<S>, clock: Arc<ManualClock>, waiting: Waiting, steps: &[Step]) {
    let sessions = use_cases(store, clock.clone(), &policy());
    let mut run = Run::new(sessions, clock, waiting, Reference::new(START.as_ms(), LIMITS));
    for step in steps {
        run.step(step).await;
    }
}

/// Runs random histories; says what the first failure was, if there was one.
fn histories(cases: u32, one: impl Fn(&[Step])) -> Result<(), String> {
    let cases = number("LATCHKEY_MODEL_CASES").map_or(cases, |cases| cases.try_into().unwrap());
    let seed = number("LATCHKEY_MODEL_SEED").unwrap_or_else(|| u64::from_be_bytes(entropy::bytes(&OsEntropy)));
    let config = Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&step::history(), |steps| {
        one(&steps);
        Ok(())
    });
    result.map_err(|error| format!("seed {seed}, {cases} cases: {error}"))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn shards() -> Vec<Shard> {
    (0..SHARDS).map(Shard).collect()
}

fn in_memory(fault: Fault, cases: u32) -> Result<(), String> {
    let runtime = runtime();
    histories(cases, |steps| {
        let clock = Arc::new(ManualClock::new(START));
        let inner = MemoryStore::new("test", SHARDS, clock.clone() as Arc<dyn Clock>);
        let store = Arc::new(Mutant { inner, fault });
        let counted = store.clone();
        let waiting = move || {
            let store = counted.clone();
            async move { waiting_events(&*store, &shards(), 1).await.len() }.boxed()
        };
        runtime.block_on(run(store, clock, Box::new(waiting), steps));
    })
}

#[test]
fn histories_in_memory_are_what_the_reference_says() {
    in_memory(Fault::None, CASES).unwrap_or_else(|failure| panic!("{failure}"));
}

/// Each invariant has a mutant that violates it; a check that finds none of them out would check nothing.
#[test]
fn every_mutant_is_found_out() {
    let faults = [
        Fault::NoCutoffs,
        Fault::NoPolicies,
        Fault::NoEnd,
        Fault::NoEvent,
        Fault::TwoEvents,
        Fault::TwoSteps,
        Fault::NoIndex,
        Fault::Leeway,
        Fault::NoAnswers,
    ];
    for fault in faults {
        let failure = in_memory(fault, MUTANT_CASES).expect_err("a mutant is found out");
        assert!(failure.contains("Test failed"), "{fault:?}: {failure}");
    }
}

/// On a server of its own: one that many tests share stalls now and then for longer than a call may wait.
mod heavy {
    use super::*;
    use crate::support::redis_cluster::RedisCluster;

    /// Each step of a history is a dozen round trips, and six servers share this machine.
    const CLUSTER_CASES: u32 = 300;

    #[test]
    fn histories_in_a_cluster_are_what_the_reference_says() {
        let (runtime, count) = (runtime(), AtomicUsize::new(0));
        let cluster = runtime.block_on(RedisCluster::start());
        let counting: Vec<_> = (0..SHARDS)
            .map(|shard| {
                runtime.block_on(async {
                    let mut slot = redis::cmd("CLUSTER");
                    slot.arg("KEYSLOT").arg(format!("o1:{{{shard:04x}}}"));
                    let slot = cluster.nodes[0].ask(&slot).await.unwrap();
                    cluster.nodes[cluster.holder(slot).await].connection().await
                })
            })
            .collect();
        let result = histories(CLUSTER_CASES, |steps| {
            let clock = Arc::new(ManualClock::new(START));
            let prefix = format!("{}:", count.fetch_add(1, Relaxed));
            let store = Arc::new(RedisStore::new(&cluster.url(), &prefix, "test", SHARDS, 1).unwrap());
            let counting = counting.clone();
            let waiting = move || {
                let (connections, prefix) = (counting.clone(), prefix.clone());
                async move {
                    let mut waiting = 0;
                    for (shard, mut connection) in connections.into_iter().enumerate() {
                        let length = redis::Cmd::xlen(format!("{prefix}o1:{{{shard:04x}}}"));
                        waiting += length.query_async::<usize>(&mut connection).await.unwrap();
                    }
                    waiting
                }
                .boxed()
            };
            runtime.block_on(run(store, clock, Box::new(waiting), steps));
        });
        result.unwrap_or_else(|failure| panic!("{failure}"));
    }

    #[test]
    fn histories_in_redis_are_what_the_reference_says() {
        let (runtime, count) = (runtime(), AtomicUsize::new(0));
        let server = runtime.block_on(RedisServer::start_with(&[]));
        let counting = runtime.block_on(server.connection());
        let result = histories(CASES, |steps| {
            let clock = Arc::new(ManualClock::new(START));
            let prefix = format!("{}:", count.fetch_add(1, Relaxed));
            let store = Arc::new(RedisStore::new(&server.url(), &prefix, "test", SHARDS, 1).unwrap());
            let counting = counting.clone();
            let waiting = move || {
                let (mut connection, mut lengths) = (counting.clone(), redis::pipe());
                for shard in 0..SHARDS {
                    lengths.xlen(format!("{prefix}o1:{{{shard:04x}}}"));
                }
                async move { lengths.query_async::<Vec<usize>>(&mut connection).await.unwrap().iter().sum() }.boxed()
            };
            runtime.block_on(run(store, clock, Box::new(waiting), steps));
        });
        result.unwrap_or_else(|failure| panic!("{failure}"));
    }
}
