//! The threads that compute passwords, which make way for all others.
//!
//! There are few of them, each with memory of its own that it uses again and again: Argon2 takes 19 MiB each time, and an
//! allocator that is asked for so much by many threads keeps it for each of them.

use std::{
    io,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use argon2::Block;
use svc_kit::error::chain;
use tokio::sync::{Semaphore, oneshot};

use super::rank::Rank;
use crate::ports::PasswordError;

/// Most threads that compute passwords.
pub const PASSWORD_THREADS_MAX: usize = 64;

/// The number of threads: what is `wanted`, where 0 is one less than the processors that the process may use, but at least one.
/// Ranks count within a group only; whoever is in another one, or under the same quota, has a processor left.
pub fn password_threads(wanted: usize) -> usize {
    if wanted == 0 { left_by_one(processors()) } else { wanted }.min(PASSWORD_THREADS_MAX)
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

fn left_by_one(processors: usize) -> usize {
    processors.saturating_sub(1).max(1)
}

/// Blocks of 1 KiB that a thread keeps: what a password of ours takes.
pub(super) const KEPT_BLOCKS: usize = 19 * 1024;

/// Memory of a thread. What an earlier password left is in it until it is wiped, which is as soon as no other one waits.
#[derive(Default)]
pub(super) struct Memory {
    kept: Vec<Block>,
}

impl Memory {
    /// Lends `count` blocks. More than usual, which only hashes of other systems ask for, are given back at once.
    pub(super) fn lend<T>(&mut self, count: usize, work: impl FnOnce(&mut [Block]) -> T) -> T {
        if count > KEPT_BLOCKS {
            return work(&mut vec![Block::new(); count]);
        }
        self.kept.resize(KEPT_BLOCKS, Block::new());
        work(&mut self.kept[..count])
    }

    fn wipe(&mut self) {
        self.kept.fill(Block::new());
    }
}

type Work = Box<dyn FnOnce(&mut Memory) + Send>;

/// What waits for a thread.
struct Waiting {
    works: Mutex<mpsc::Receiver<Work>>,
    count: AtomicUsize,
}

impl Waiting {
    /// Waits for the next work; `None` when none will come any more.
    fn next(&self) -> Option<Work> {
        let work = self.works.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
        self.count.fetch_sub(usize::from(work.is_some()), Ordering::Relaxed);
        work
    }
}

/// A bounded number of threads, with a bounded number of those who wait for one.
pub(super) struct PasswordThreads {
    queue: mpsc::Sender<Work>,
    waiting: Arc<Waiting>,
    places: Arc<Semaphore>,
}

impl PasswordThreads {
    /// Starts the threads. They end when this is dropped.
    pub(super) fn start(threads: usize, waiting: usize) -> io::Result<Self> {
        let (queue, works) = mpsc::channel::<Work>();
        let places = Arc::new(Semaphore::new(threads + waiting));
        let waiting = Arc::new(Waiting { works: Mutex::new(works), count: AtomicUsize::new(0) });
        let rank = Rank::of(threads, processors());
        for number in 0..threads {
            let waiting = waiting.clone();
            thread::Builder::new().name(format!("password-{number}")).spawn(move || serve(&waiting, rank))?;
        }
        Ok(Self { queue, waiting, places })
    }

    /// Runs `work` on one of the threads, unless the caller has gone when its turn comes.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| PasswordError::Overloaded)?;
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |memory| {
            // Held by the work itself: a caller that goes away does not make room for another while a thread is busy.
            let _held = place;
            if !answer.is_closed() {
                let _gone = answer.send(work(memory));
            }
        });
        self.waiting.count.fetch_add(1, Ordering::Relaxed);
        self.queue.send(work).map_err(|_| PasswordError::Failed)?;
        answered.await.map_err(|_| PasswordError::Failed)?
    }
}

fn serve(waiting: &Waiting, rank: Rank) {
    if let Err(error) = rank.take() {
        tracing::warn!(error = chain(&error), "passwords are computed with the rank of everything else");
    }
    let mut memory = Memory::default();
    while let Some(work) = waiting.next() {
        // The caller, whose answer is dropped, learns that it failed; the thread is there for the next one.
        if catch_unwind(AssertUnwindSafe(|| work(&mut memory))).is_err() {
            memory = Memory::default();
        }
        if waiting.count.load(Ordering::Relaxed) == 0 {
            memory.wipe();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_threads_means_one_less_than_there_are_processors() {
        assert_eq!([1, 2, 8].map(left_by_one), [1, 1, 7]);
        assert_eq!(password_threads(0), left_by_one(processors()).min(PASSWORD_THREADS_MAX));
        assert_eq!(password_threads(3), 3);
    }

    #[tokio::test]
    async fn a_thread_outlives_work_that_panics() {
        let threads = PasswordThreads::start(1, 1).unwrap();
        let failed: Result<(), _> = threads.run(|_| panic!("on purpose")).await;
        assert_eq!(failed, Err(PasswordError::Failed));
        assert_eq!(threads.run(|_| Ok(1)).await, Ok(1));
    }

    #[tokio::test]
    async fn callers_that_went_away_cost_nothing() {
        let threads = PasswordThreads::start(1, 2).unwrap();
        let (go, wait) = mpsc::channel::<()>();
        let busy = threads.run(move |_| wait.recv().map_err(|_| PasswordError::Failed));
        let mut gone = Box::pin(threads.run(|_| -> Result<(), _> { panic!("computed for nobody") }));
        let asked = futures::future::join(busy, async {
            assert!(futures::poll!(&mut gone).is_pending());
            assert_eq!(threads.places.available_permits(), 1);
            drop(gone);
            go.send(()).unwrap();
            threads.run(|_| Ok(())).await
        });
        assert_eq!(asked.await, (Ok(()), Ok(())));
        while threads.places.available_permits() < 3 {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn only_the_usual_memory_is_kept() {
        let mut memory = Memory::default();
        memory.lend(KEPT_BLOCKS + 1, |blocks| assert_eq!(blocks.len(), KEPT_BLOCKS + 1));
        assert_eq!(memory.kept.capacity(), 0);
        memory.lend(8, |blocks| assert_eq!(blocks.len(), 8));
        assert_eq!(memory.kept.len(), KEPT_BLOCKS);
    }

    #[tokio::test]
    async fn nothing_of_a_password_is_left_where_none_waits() {
        fn is_clean(memory: &mut Memory) -> bool {
            memory.lend(8, |blocks| blocks.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)))
        }
        let threads = PasswordThreads::start(1, 1).unwrap();
        let leave = |memory: &mut Memory| {
            memory.lend(8, |blocks| blocks[7].as_mut()[3] = 1);
            Ok(!is_clean(memory))
        };
        assert_eq!(threads.run(leave).await, Ok(true));
        // Whoever asks may be the one who waits.
        while threads.run(|memory| Ok(is_clean(memory))).await != Ok(true) {
            tokio::task::yield_now().await;
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_threads_make_way_and_nothing_else_does() {
        use crate::crypto::rank::tests::seen;
        let (threads, before) = (PasswordThreads::start(1, 1).unwrap(), seen());
        assert_ne!(threads.run(|_| Ok(seen())).await, Ok(before.clone()));
        assert_eq!(seen(), before);
    }
}
