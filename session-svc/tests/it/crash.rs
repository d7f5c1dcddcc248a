//! Processes are killed on purpose: what was acknowledged stands, and every event arrives, under one id.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use proto::event::v1::Event;

use crate::support::{
    broker::Broker,
    process::Process,
    redis_server::RedisServer,
    service::{Setting, forget, random_name, redis_url},
    *,
};

/// A port that nothing listens on.
const NO_BROKER: &str = "amqp://guest:guest@127.0.0.1:1/%2f";

pub fn store(url: String, prefix: &str) -> Vec<Setting<'static>> {
    vec![
        ("LATCHKEY_STORE__URL", url),
        ("LATCHKEY_STORE__PREFIX", prefix.to_owned()),
        ("LATCHKEY_STORE__SHARDS", "4".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_survive_the_death_of_the_process_before_they_are_published() {
    let (broker, prefix) = (Broker::start(), format!("{}:", random_name()));
    let mut settings = store(redis_url(), &prefix);
    let away = [("LATCHKEY_BUS__URLS", NO_BROKER.to_owned())];
    let process = Process::start(&[settings.clone(), away.to_vec()].concat()).await;
    let mut client = process.operator();
    let mut ended = Vec::new();
    for number in 0..100 {
        let (session, token) = created(&mut client, in_application(&format!("user{number}"), APPLICATION)).await;
        refresh(&mut client, &token).await.unwrap();
        revoke(&mut client, &session.id).await.unwrap();
        ended.push(session.id);
    }
    process.kill().await;
    settings.extend(broker.settings());
    let process = Process::start(&settings).await;
    for id in &ended {
        broker.events.are(id, &["session.created", "session.refreshed", "session.revoked"]).await;
    }
    process.kill().await;
    forget(&prefix);
    broker.stop().await;
}

/// Kills the process again and again while calls are made; then counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_under_load_loses_no_event() {
    const KILLS: usize = 6;
    let (broker, prefix) = (Broker::start(), format!("{}:", random_name()));
    let settings = [store(redis_url(), &prefix), broker.settings().to_vec()].concat();
    let acknowledged = Acknowledged::default();
    for round in 0..KILLS {
        let process = Process::start(&settings).await;
        let workers: Vec<_> = (0..4).map(|n| acknowledged.work(&process, format!("user{round}-{n}"))).collect();
        acknowledged.grows_by(60).await;
        process.kill().await;
        acknowledged.stop.store(true, SeqCst);
        futures::future::join_all(workers).await;
        acknowledged.stop.store(false, SeqCst);
    }
    let process = Process::start(&settings).await;
    acknowledged.all_arrive(&broker.events).await;
    process.kill().await;
    forget(&prefix);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_keeps_what_was_acknowledged() {
    const KILLS: usize = 4;
    let mut redis = RedisServer::start().await;
    let broker = Broker::start();
    let settings = [store(redis.url(), ""), broker.settings().to_vec()].concat();
    let process = Process::start(&settings).await;
    let acknowledged = Acknowledged::default();
    for round in 0..KILLS {
        let workers: Vec<_> = (0..4).map(|n| acknowledged.work(&process, format!("user{round}-{n}"))).collect();
        acknowledged.grows_by(40).await;
        redis.kill().await;
        acknowledged.stop.store(true, SeqCst);
        futures::future::join_all(workers).await;
        acknowledged.stop.store(false, SeqCst);
        redis.restart().await;
        eventually("the service is back", || async { get(&mut process.operator(), "x").await.err() }).await;
    }
    let mut client = process.operator();
    acknowledged.stands(&process).await;
    acknowledged.all_arrive(&broker.events).await;
    let (session, _) = created(&mut client, sso(USER)).await;
    assert!(is_active(&mut client, &session.id).await);
    process.kill().await;
    broker.stop().await;
}

/// How many changes of each session were acknowledged: created, refreshed, revoked.
#[derive(Clone, Default)]
pub struct Acknowledged {
    changes: Arc<Mutex<HashMap<String, u64>>>,
    slowest: Arc<Mutex<Duration>>,
    pub stop: Arc<AtomicBool>,
}

impl Acknowledged {
    pub fn work(&self, process: &Process, user: String) -> tokio::task::JoinHandle<()> {
        let (this, mut client) = (self.clone(), process.operator());
        tokio::spawn(async move {
            while !this.stop.load(SeqCst) {
                let create = client.create_session(in_application(&user, APPLICATION));
                let Ok(answer) = this.timed(create).await else { continue };
                let answer = answer.into_inner();
                let id = answer.session.unwrap().id;
                this.note(&id);
                if this.timed(refresh(&mut client, &answer.token)).await.is_err() {
                    continue;
                }
                this.note(&id);
                if this.timed(revoke(&mut client, &id)).await.is_ok() {
                    this.note(&id);
                }
            }
        })
    }

    async fn timed<T>(&self, call: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let result = call.await;
        let mut slowest = self.slowest.lock().unwrap();
        *slowest = slowest.max(started.elapsed());
        result
    }

    /// The longest time that a call took, answered or refused.
    pub fn slowest(&self) -> Duration {
        *self.slowest.lock().unwrap()
    }

    /// Everything that was acknowledged is so.
    pub async fn stands(&self, process: &Process) {
        let changes = self.changes.lock().unwrap().clone();
        for (id, count) in &changes {
            let look = || async { get(&mut process.operator(), id).await.ok() };
            let session = eventually("what was created is there", look).await;
            // More may have been done than was acknowledged, never less.
            let refreshed = session.generation >= (*count).min(2).try_into().unwrap();
            assert!(refreshed, "{id} after {count} changes: {session:?}");
            assert!(*count < 3 || session.ended_at.is_some(), "{id} after {count} changes: {session:?}");
        }
    }

    fn note(&self, id: &str) {
        *self.changes.lock().unwrap().entry(id.to_owned()).or_default() += 1;
    }

    pub async fn grows_by(&self, count: usize) {
        let before = self.changes.lock().unwrap().len();
        eventually("calls are acknowledged", || async {
            (self.changes.lock().unwrap().len() >= before + count).then_some(())
        })
        .await;
    }

    /// Every acknowledged change has its event; repetitions are equal; per session they are first seen in order.
    pub async fn all_arrive(&self, events: &Events) {
        let changes = self.changes.lock().unwrap().clone();
        let missing = || async {
            let arrived = arrived(&events.all());
            let is_there = |(id, count): (&String, &u64)| {
                arrived.get(id).is_some_and(|sequences| sequences.len() as u64 >= *count)
            };
            changes.iter().all(is_there).then_some(())
        };
        eventually("every event arrives", missing).await;
        let mut by_id = BTreeMap::new();
        for event in events.all() {
            let first = by_id.entry(event.id.clone()).or_insert_with(|| event.clone());
            assert_eq!(*first, event, "one id, one content");
        }
        for (session, sequences) in arrived(&events.all()) {
            let dense: Vec<u64> = (1..).take(sequences.len()).collect();
            assert_eq!(sequences, dense, "events of {session} in order and without gaps");
        }
    }
}

/// The sequences of each session in the order in which they were first seen.
fn arrived(events: &[Event]) -> BTreeMap<String, Vec<u64>> {
    let mut arrived: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.sequence > 0) {
        let sequences = arrived.entry(event.aggregate_id.clone()).or_default();
        if !sequences.contains(&event.sequence) {
            sequences.push(event.sequence);
        }
    }
    arrived
}

/// While the broker is away calls go on, and the events leave in order afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_do_not_wait_for_the_broker() {
    let prefix = format!("{}:", random_name());
    let away = [("LATCHKEY_BUS__URLS", NO_BROKER.to_owned())];
    let process = Process::start(&[store(redis_url(), &prefix), away.to_vec()].concat()).await;
    let mut client = process.operator();
    let calls = async {
        for _ in 0..200 {
            created(&mut client, sso(USER)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), calls).await.expect("calls go on without a broker");
    process.kill().await;
    forget(&prefix);
}
