//! The engine itself, on tokio's paused time, which jumps to the next thing that happens.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use svc_kit::clock::{Clock, Timestamp};
use tokio::time::Instant;
use webhook_svc::domain::limits::Concurrency;

use super::{ATTEMPT, Outage, accept, endpoint, webhooks};
use crate::support::fixtures::START;

/// The time of a paused runtime.
#[derive(Clone, Copy)]
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        START.saturating_add(self.0.elapsed())
    }
}

/// What piled up for one endpoint while its breaker was open comes ten at a time, and one first.
#[tokio::test(start_paused = true)]
async fn what_piled_up_for_one_endpoint_comes_a_few_at_a_time() {
    const EVENTS: usize = 1_000;
    let outage = Duration::from_secs(240);
    let clock: Arc<dyn Clock> = Arc::new(PausedClock(Instant::now()));
    let (webhooks, means) = (webhooks(clock.clone()), Arc::new(Outage::of(clock, Some(outage))));
    endpoint(&webhooks, Concurrency::default()).await;
    for n in 0..EVENTS {
        accept(&webhooks, &format!("e{n}"), "user.created").await;
    }
    let (working, at_work) = (webhooks.clone(), means.clone());
    let engine = tokio::spawn(async move { working.deliver(at_work, std::future::pending()).await });
    let end = START.saturating_add(outage);
    let after = || {
        let made = means.sender.made().into_iter();
        made.map(|(_, at)| at).filter(|at| *at >= end).collect::<Vec<_>>()
    };
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        if after().len() == EVENTS {
            break;
        }
    }
    engine.abort();
    let (during, times) = (means.sender.made().len() - after().len(), after());
    assert_eq!(times.len(), EVENTS, "all were taken, each once");
    assert!(during < 40, "{during} attempts while it was down");
    let most = means.sender.most.load(Ordering::SeqCst);
    assert!(most <= 10, "{most} at once");
    assert!(times[0].duration_since(end) < Duration::from_secs(240), "the next probe comes after four minutes at most");
    assert!(times[1].duration_since(times[0]) >= ATTEMPT, "nobody comes before the probe was taken");
    let in_a_second =
        |from: usize| times[from..].iter().take_while(|at| at.duration_since(times[from]).as_millis() < 1_000).count();
    let busiest = (0..times.len()).map(in_a_second).max().unwrap();
    let at_most = 10 * 1_000 / usize::try_from(ATTEMPT.as_millis()).unwrap();
    assert!(busiest <= at_most, "{busiest} within a second");
}
