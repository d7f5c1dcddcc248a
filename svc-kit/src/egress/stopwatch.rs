//! Measures the parts of an exchange. A connection is made on behalf of one exchange, whose stopwatch follows it there.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http::Response;

use super::timing::{Phase, Timing};

tokio::task_local! {
    static CURRENT: Stopwatch;
}

/// What was measured so far, and what is being measured.
#[derive(Default)]
struct Laps {
    timing: Timing,
    /// When the exchange began.
    began: Option<Instant>,
    open: Option<(Phase, Instant)>,
    is_answered: bool,
}

impl Laps {
    fn close(&mut self) -> Option<Phase> {
        let (phase, began) = self.open.take()?;
        self.timing.set(phase, millis(began.elapsed()));
        Some(phase)
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// The stopwatch of one exchange.
#[derive(Clone, Default)]
pub struct Stopwatch(Arc<Mutex<Laps>>);

/// Marks a connection with the exchange that it was made for.
#[derive(Clone)]
pub(super) struct MadeFor(Stopwatch);

impl Stopwatch {
    fn laps(&self) -> MutexGuard<'_, Laps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs an exchange: a connection that it makes is measured.
    pub async fn around<F: Future>(&self, exchange: F) -> F::Output {
        self.laps().began = Some(Instant::now());
        CURRENT.scope(self.clone(), exchange).await
    }

    /// The stopwatch of the exchange that runs here.
    pub(super) fn current() -> Self {
        CURRENT.try_with(Self::clone).unwrap_or_default()
    }

    pub(super) fn made_for(&self) -> MadeFor {
        MadeFor(self.clone())
    }

    /// Ends the part before and begins one, on the way to an answer.
    pub(super) fn begin(&self, phase: Phase) {
        let mut laps = self.laps();
        // A connection that nobody waits for any more is made to its end all the same, for the next exchange.
        if !laps.is_answered {
            laps.close();
            laps.open = Some((phase, Instant::now()));
        }
    }

    /// Notes that the head of an answer is here.
    pub fn answered<B>(&self, response: &Response<B>) {
        let is_mine = |made: &MadeFor| Arc::ptr_eq(&made.0.0, &self.0);
        let is_fresh = response.extensions().get().is_some_and(is_mine);
        let mut laps = self.laps();
        laps.close();
        if !is_fresh {
            // An open connection was free: all that passed was the wait for the answer.
            let waited = laps.began.map(|began| millis(began.elapsed()));
            laps.timing = Timing { first_byte_ms: waited, ..Timing::default() };
        }
        laps.is_answered = true;
        laps.open = Some((Phase::Body, Instant::now()));
    }

    /// Ends the last part; returns what was measured, and which part it was.
    pub fn stop(&self) -> (Timing, Option<Phase>) {
        let mut laps = self.laps();
        if laps.open.is_none() {
            // On an open connection there is nothing before the wait for the answer.
            laps.open = laps.began.map(|began| (Phase::FirstByte, began));
        }
        let last = laps.close();
        (laps.timing, last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_parts_of_a_new_connection_are_told_apart() {
        let stopwatch = Stopwatch::default();
        let made_for = stopwatch
            .around(async {
                let connecting = Stopwatch::current();
                for phase in [Phase::Dns, Phase::Connect, Phase::FirstByte] {
                    connecting.begin(phase);
                }
                connecting.made_for()
            })
            .await;
        let mut response = Response::new(());
        response.extensions_mut().insert(made_for);
        stopwatch.answered(&response);
        let (timing, last) = stopwatch.stop();
        assert!(timing.dns_ms.is_some() && timing.connect_ms.is_some() && timing.tls_ms.is_none(), "{timing:?}");
        assert!(timing.first_byte_ms.is_some() && timing.body_ms.is_some(), "{timing:?}");
        assert_eq!(last, Some(Phase::Body));
    }

    #[tokio::test]
    async fn on_an_open_connection_only_the_wait_is_measured() {
        let stopwatch = Stopwatch::default();
        // It began to make one, and then another became free.
        let late = stopwatch.around(async { Stopwatch::current() }).await;
        late.begin(Phase::Dns);
        stopwatch.answered(&Response::new(()));
        late.begin(Phase::Connect);
        let (timing, last) = stopwatch.stop();
        assert_eq!((timing.dns_ms, timing.connect_ms, last), (None, None, Some(Phase::Body)));
        assert!(timing.first_byte_ms.is_some());
    }

    #[tokio::test]
    async fn what_did_not_begin_has_no_part() {
        assert_eq!(Stopwatch::default().stop(), (Timing::default(), None));
        let waiting = Stopwatch::default();
        waiting.around(async {}).await;
        assert_eq!(waiting.stop().1, Some(Phase::FirstByte));
    }
}
