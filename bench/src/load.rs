//! A closed loop: a fixed number of calls in flight, each followed by the next.
//!
//! The load runs on threads of its own with one runtime each, the same for every target, so that what the load itself
//! costs is the same in every figure. A round connects anew, warms up, and counts between two moments; processor time
//! is read at those same two moments. What can be done only once goes through [`each`] instead, and what must not be a load
//! itself, because it is there to feel another one, is [`paced`].

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

use crate::{
    failure::Failure,
    histogram::Histogram,
    process::{Times, Watched},
    settings::Settings,
};

/// How long a round runs before it counts.
const WARM_UP: Duration = Duration::from_millis(300);
/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

const WARMING: u8 = 0;
const COUNTING: u8 = 1;
const STOPPED: u8 = 2;

/// Something that can be called over and over.
pub trait Target: Send + Sync + 'static {
    /// What a call needs.
    type Connection: Clone + Send + 'static;

    /// Connects, on the thread that will call.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, Failure>> + Send;

    /// Makes one call. `slot` is the place in flight, `turn` counts the calls of that place.
    fn call(
        &self,
        connection: &mut Self::Connection,
        slot: usize,
        turn: usize,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// What a round came to.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Calls per second.
    pub rate: f64,
    /// Latencies.
    pub latencies: Histogram,
    /// Processor time for each call of the watched processes, in microseconds, in their order.
    pub cpu_us: Vec<f64>,
}

impl Sample {
    fn new(latencies: Histogram, elapsed: Duration, before: &[Times], after: &[Times]) -> Self {
        let calls = latencies.count() as f64;
        let spent = before.iter().zip(after).map(|(before, after)| before.until(after).as_secs_f64() * 1e6);
        Self { rate: calls / elapsed.as_secs_f64(), cpu_us: spent.map(|us| us / calls).collect(), latencies }
    }
}

fn times(watched: &[Watched]) -> Vec<Times> {
    watched.iter().map(Watched::times).collect()
}

/// Puts `target` under load for a round and watches processes meanwhile.
///
/// # Errors
/// The first call that failed.
pub async fn run<T: Target>(target: Arc<T>, settings: &Settings, watched: &[Watched]) -> Result<Sample, Failure> {
    let phase = Arc::new(AtomicU8::new(WARMING));
    let (connected, mut waiting) = mpsc::channel(settings.threads);
    let threads: Vec<JoinHandle<Result<Histogram, Failure>>> = (0..settings.threads)
        .map(|thread| {
            let (target, settings, phase) = (target.clone(), settings.clone(), phase.clone());
            let connected = connected.clone();
            std::thread::spawn(move || run_thread(&target, thread, &settings, &phase, connected))
        })
        .collect();
    drop(connected);
    let all = async { while waiting.recv().await.is_some() {} };
    let is_up = timeout(CONNECT_MAX, all).await.is_ok();
    if is_up {
        tokio::time::sleep(WARM_UP).await;
    }
    let (before, started) = (times(watched), Instant::now());
    phase.store(COUNTING, Ordering::Relaxed);
    if is_up {
        tokio::time::sleep(settings.round).await;
    }
    phase.store(STOPPED, Ordering::Relaxed);
    let (elapsed, after) = (started.elapsed(), times(watched));
    let mut latencies = Histogram::default();
    for thread in threads {
        let joined = thread.join().map_err(|_| Failure::Unexpected("a thread of the load panicked".into()))?;
        latencies.add(&joined?);
    }
    Ok(Sample::new(latencies, elapsed, &before, &after))
}

/// Puts each of `items` through `call`, so many at once; says what that came to, and what was answered.
///
/// # Errors
/// The first call that failed.
pub async fn each<I, O, F>(
    items: Vec<I>,
    at_once: usize,
    watched: &[Watched],
    call: impl Fn(I) -> F,
) -> Result<(Sample, Vec<O>), Failure>
where
    F: Future<Output = Result<O, Failure>>,
{
    let (before, started) = (times(watched), Instant::now());
    let calls = stream::iter(items).map(|item| {
        let answer = call(item);
        async move {
            let started = Instant::now();
            answer.await.map(|answer| (answer, started.elapsed()))
        }
    });
    let answers: Vec<(O, Duration)> = calls.buffer_unordered(at_once).try_collect().await?;
    let (elapsed, after) = (started.elapsed(), times(watched));
    let mut latencies = Histogram::default();
    answers.iter().for_each(|(_, latency)| latencies.record(*latency));
    let sample = Sample::new(latencies, elapsed, &before, &after);
    Ok((sample, answers.into_iter().map(|(answer, _)| answer).collect()))
}

/// Calls `target` at a steady pace, whether it answers in time or not, on a thread of its own. A latency counts from when the
/// call was due.
///
/// # Errors
/// The first call that failed.
pub async fn paced<T: Target>(target: Arc<T>, every: Duration, settings: &Settings) -> Result<Histogram, Failure> {
    let (done, ended) = oneshot::channel();
    let settings = settings.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let outcome =
            runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(pace(&target, every, &settings)));
        let _ = done.send(outcome);
    });
    ended.await.map_err(|_| Failure::Unexpected("a thread of the load panicked".into()))?
}

async fn pace<T: Target>(target: &Arc<T>, every: Duration, settings: &Settings) -> Result<Histogram, Failure> {
    let connection = target.connect().await?;
    // The first call pays for what is done once.
    target.call(&mut connection.clone(), 0, 0).await?;
    let started = tokio::time::Instant::now();
    let mut calls = JoinSet::new();
    let mut turn = 0;
    loop {
        turn += 1;
        let due = started + every * turn as u32;
        if due > started + settings.round {
            break;
        }
        tokio::time::sleep_until(due).await;
        let (target, mut connection, slot) = (target.clone(), connection.clone(), turn % settings.slots());
        calls.spawn(async move {
            target.call(&mut connection, slot, turn).await?;
            Ok::<_, Failure>(due.elapsed())
        });
    }
    let mut latencies = Histogram::default();
    while let Some(call) = calls.join_next().await {
        latencies.record(call.map_err(|_| Failure::Unexpected("a task of the load panicked".into()))??);
    }
    Ok(latencies)
}

fn run_thread<T: Target>(
    target: &Arc<T>,
    thread: usize,
    settings: &Settings,
    phase: &Arc<AtomicU8>,
    connected: mpsc::Sender<()>,
) -> Result<Histogram, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connections = Vec::with_capacity(settings.connections);
        for _ in 0..settings.connections {
            connections.push(target.connect().await?);
        }
        drop(connected);
        let first = thread * settings.connections * settings.in_flight;
        let places = connections.into_iter().flat_map(|connection| vec![connection; settings.in_flight]);
        let tasks: Vec<_> = places
            .enumerate()
            .map(|(place, connection)| tokio::spawn(repeat(target.clone(), connection, first + place, phase.clone())))
            .collect();
        let mut latencies = Histogram::default();
        for task in tasks {
            let joined = task.await.map_err(|_| Failure::Unexpected("a task of the load panicked".into()))?;
            latencies.add(&joined?);
        }
        Ok(latencies)
    })
}

async fn repeat<T: Target>(
    target: Arc<T>,
    mut connection: T::Connection,
    slot: usize,
    phase: Arc<AtomicU8>,
) -> Result<Histogram, Failure> {
    let mut latencies = Histogram::default();
    let mut turn = 0;
    loop {
        let started = Instant::now();
        target.call(&mut connection, slot, turn).await?;
        turn += 1;
        match phase.load(Ordering::Relaxed) {
            WARMING => {}
            COUNTING => latencies.record(started.elapsed()),
            _ => return Ok(latencies),
        }
    }
}
