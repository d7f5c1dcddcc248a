//! Serving on threads with a runtime of their own each: a call never changes threads, nothing is stolen, nothing is locked.
//!
//! One task accepts and deals connections out in turn, so that a few long-lived connections load all threads alike
//! (`SO_REUSEPORT` would draw lots, and would let a second process take the same port unnoticed). What must not be shared
//! between threads, a connection to a store above all, is kept in a [`PerThread`].

use std::{cell::Cell, convert::Infallible, future::Future, io, num::NonZeroUsize, sync::OnceLock, time::Duration};

use futures::{StreamExt as _, stream::BoxStream};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::{mpsc, oneshot},
    time::sleep,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::Connection;
use crate::lifecycle::Lifecycle;

/// Most connections that wait for one thread to take them over.
const WAITING_MAX: usize = 256;
/// How long accepting pauses after it failed: out of file descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Time between two beats of a thread: shorter than any timer of a call, and long enough to cost nothing.
const BEAT: Duration = Duration::from_millis(250);
/// Most threads that serve.
pub const THREADS_MAX: usize = 256;

thread_local! {
    /// The number of this thread among those that serve, from 1; 0 is every other thread.
    static PLACE: Cell<usize> = const { Cell::new(0) };
}

/// Connections that a thread serves.
pub type Incoming = BoxStream<'static, io::Result<Connection>>;

/// The number of threads: what is `wanted`, where 0 is one for each processor.
pub fn threads(wanted: usize) -> usize {
    let processors = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    if wanted == 0 { processors() } else { wanted }.min(THREADS_MAX)
}

/// A value for each serving thread, and one for all other threads; made when it is first needed.
pub struct PerThread<T> {
    values: Vec<OnceLock<T>>,
    make: Box<dyn Fn() -> T + Send + Sync>,
}

impl<T> PerThread<T> {
    /// Makes values by `make`, for `threads` serving threads.
    pub fn new(threads: usize, make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self { values: (0..=threads).map(|_| OnceLock::new()).collect(), make: Box::new(make) }
    }

    /// The value of this thread.
    pub fn get(&self) -> &T {
        // More threads than foreseen share.
        let place = PLACE.get() % self.values.len();
        self.values[place].get_or_init(&self.make)
    }
}

/// Why a serving thread ended.
#[derive(Debug, thiserror::Error)]
enum ThreadError<E: std::error::Error + 'static> {
    /// The server failed.
    #[error("the server failed")]
    Failed(#[source] E),
    /// The thread panicked.
    #[error("the thread panicked")]
    Panicked,
}

/// Serves `listener` on `count` threads, as tasks of `lifecycle`. `serve` makes the server of one thread, on that thread;
/// it must end when its connections do.
///
/// # Errors
/// Fails when a thread cannot be had.
pub fn serve_on_threads<S, F, E>(listener: TcpListener, count: usize, serve: S, lifecycle: &Lifecycle) -> io::Result<()>
where
    S: FnOnce(Incoming) -> F + Clone + Send + 'static,
    F: Future<Output = Result<(), E>>,
    E: std::error::Error + Send + 'static,
{
    let mut threads = Vec::with_capacity(count);
    for place in 1..=count {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        spawn(place, receiver, serve.clone(), lifecycle)?;
        threads.push(sender);
    }
    let soft = lifecycle.soft().clone();
    lifecycle.spawn("accept", async move {
        tokio::select! {
            never = deal(listener, threads) => match never {},
            () = soft.cancelled() => Ok::<_, Infallible>(()),
        }
    });
    Ok(())
}

/// Accepts connections and deals them out in turn; a thread that has too many waiting is passed over.
async fn deal(listener: TcpListener, threads: Vec<mpsc::Sender<std::net::TcpStream>>) -> Infallible {
    let mut turn = 0;
    loop {
        let accepted = listener.accept().await.and_then(|(stream, _)| {
            stream.set_nodelay(true)?;
            stream.into_std()
        });
        let mut stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(error = error.to_string(), "a connection cannot be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        for _ in 0..threads.len() {
            turn = (turn + 1) % threads.len();
            match threads[turn].try_send(stream) {
                Ok(()) => break,
                // Closed to the caller when nobody takes it.
                Err(mpsc::error::TrySendError::Full(back) | mpsc::error::TrySendError::Closed(back)) => stream = back,
            }
        }
    }
}

fn spawn<S, F, E>(
    place: usize,
    connections: mpsc::Receiver<std::net::TcpStream>,
    serve: S,
    lifecycle: &Lifecycle,
) -> io::Result<()>
where
    S: FnOnce(Incoming) -> F + Send + 'static,
    F: Future<Output = Result<(), E>>,
    E: std::error::Error + Send + 'static,
{
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (done, ended) = oneshot::channel();
    let hard = lifecycle.hard().clone();
    let name = format!("serve-{place}");
    std::thread::Builder::new().name(name.clone()).spawn(move || {
        PLACE.set(place);
        let result = run(runtime, connections, serve, hard);
        let _ = done.send(result);
    })?;
    lifecycle.spawn(name, async move {
        match ended.await {
            Ok(result) => result.map_err(ThreadError::Failed),
            Err(_) => Err(ThreadError::Panicked),
        }
    });
    Ok(())
}

/// Keeps a timer running that is nearer than any that a call starts. A thread whose only timers are those of its calls has none
/// when they are done, and wakes itself by a system call for each that starts then.
async fn beat() -> Infallible {
    loop {
        sleep(BEAT).await;
    }
}

/// Serves until the connections end, or at once at the hard stage; whatever still runs on the thread ends with it.
fn run<S, F, E>(
    runtime: Runtime,
    connections: mpsc::Receiver<std::net::TcpStream>,
    serve: S,
    hard: CancellationToken,
) -> Result<(), E>
where
    S: FnOnce(Incoming) -> F,
    F: Future<Output = Result<(), E>>,
{
    runtime.block_on(async {
        let stream = |stream| TcpStream::from_std(stream).map(Connection::from);
        let incoming = ReceiverStream::new(connections).map(stream).boxed();
        tokio::select! {
            result = serve(incoming) => result,
            () = hard.cancelled() => Ok(()),
            never = beat() => match never {},
        }
    })
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::{Arc, Mutex},
        thread::ThreadId,
    };

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    type Seen = Arc<Mutex<Vec<(ThreadId, usize)>>>;

    /// Answers one byte on every connection and notes which thread did, and what its value was.
    async fn answer(mut incoming: Incoming, values: Arc<PerThread<usize>>, seen: Seen) -> io::Result<()> {
        while let Some(stream) = incoming.next().await {
            let mut stream = stream?;
            seen.lock().unwrap().push((std::thread::current().id(), *values.get()));
            stream.write_all(b"!").await?;
        }
        Ok(())
    }

    async fn start(threads: usize, lifecycle: &Lifecycle) -> (std::net::SocketAddr, Seen) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Seen::default());
        let made = std::sync::atomic::AtomicUsize::new(0);
        let make = move || made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (values, noted) = (Arc::new(PerThread::new(threads, make)), seen.clone());
        serve_on_threads(listener, threads, |incoming| answer(incoming, values, noted), lifecycle).unwrap();
        (address, seen)
    }

    async fn ask(address: std::net::SocketAddr) -> io::Result<u8> {
        TcpStream::connect(address).await?.read_u8().await
    }

    #[tokio::test]
    async fn connections_are_dealt_evenly_and_each_thread_has_its_own_value() {
        let lifecycle = Lifecycle::new();
        let (address, seen) = start(3, &lifecycle).await;
        for _ in 0..9 {
            assert_eq!(ask(address).await.unwrap(), b'!');
        }
        let seen = seen.lock().unwrap().clone();
        let kinds: BTreeSet<String> = seen.iter().map(|kind| format!("{kind:?}")).collect();
        assert_eq!(kinds.len(), 3, "one value a thread: {seen:?}");
        assert!(seen.iter().all(|one| seen.iter().filter(|other| other.0 == one.0).count() == 3), "{seen:?}");
        lifecycle.shutdown();
        assert_eq!(lifecycle.wait(Duration::from_secs(20)).await, Ok(()));
        assert!(ask(address).await.is_err(), "nobody accepts any more");
    }

    #[tokio::test]
    async fn a_thread_that_panics_takes_the_service_down() {
        let lifecycle = Lifecycle::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let serve = async |_: Incoming| -> io::Result<()> { panic!("boom") };
        serve_on_threads(listener, 1, serve, &lifecycle).unwrap();
        let crash = lifecycle.wait(Duration::from_secs(20)).await.unwrap_err();
        assert_eq!((crash.task.as_str(), crash.cause.as_str()), ("serve-1", "the thread panicked"));
    }

    #[test]
    fn zero_threads_means_one_for_each_processor() {
        assert_eq!(threads(3), 3);
        assert!((1..=THREADS_MAX).contains(&threads(0)));
        assert_eq!(threads(100_000), THREADS_MAX);
    }
}
