//! When an outage of many ends, they do not come all at once.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use svc_kit::clock::{Clock as _, ManualClock, Timestamp};
use webhook_svc::domain::{delivery::DeliveryId, limits::Concurrency};

use super::{Outage, accept, attempt_all, endpoint, webhooks};
use crate::support::fixtures::{START, next_due};

const ENDPOINTS: usize = 1_000;
const EVENTS: usize = 2;
/// How far the clock moves at least: attempts that are due within are made together.
const GRAIN: Duration = Duration::from_secs(5);

/// How many there are in each minute.
fn by_minute(times: impl Iterator<Item = Timestamp>) -> BTreeMap<u64, usize> {
    let mut minutes = BTreeMap::new();
    for at in times {
        *minutes.entry(at.duration_since(START).as_secs() / 60).or_default() += 1;
    }
    minutes
}

/// Two thousand deliveries that failed together go on apart: a fifth of jitter spreads each step wider than the one before.
#[tokio::test(start_paused = true)]
async fn what_failed_together_does_not_come_back_together() {
    let clock = Arc::new(ManualClock::new(START));
    let outage = Duration::from_secs(3_600);
    let (webhooks, means) = (webhooks(clock.clone()), Outage::of(clock.clone(), Some(outage)));
    for _ in 0..ENDPOINTS {
        endpoint(&webhooks, Concurrency::MAX).await;
    }
    for n in 0..EVENTS {
        accept(&webhooks, &format!("e{n}"), "user.created").await;
    }
    while let Some(due) = next_due(&*webhooks.store).await {
        clock.set(due.max(clock.now().saturating_add(GRAIN)));
        attempt_all(&webhooks, &means, &clock).await;
    }
    let (made, all) = (means.sender.made(), ENDPOINTS * EVENTS);
    // Nobody was waited for, so the first attempts were made together.
    assert_eq!(by_minute(made[..all].iter().map(|(_, at)| *at)).values().copied().max(), Some(all));
    let end = START.saturating_add(outage);
    let after: HashMap<&DeliveryId, Timestamp> =
        made.iter().filter(|(_, at)| *at >= end).map(|(id, at)| (id, *at)).collect();
    assert_eq!(after.len(), all, "each is taken once the outage is over, at its next step");
    // That is the fifth attempt: two hours after the fourth, varied by a fifth, over 48 minutes and more.
    let minutes = by_minute(after.into_values());
    let busiest = minutes.values().copied().max().unwrap();
    assert!(minutes.len() > 40, "{minutes:?}");
    assert!(busiest * 20 < all, "{busiest} of {all} within one minute: {minutes:?}");
}

/// Endpoints at one address whose breakers opened together are probed apart, and so come back apart with what piled up.
#[tokio::test(start_paused = true)]
async fn endpoints_whose_breakers_opened_together_come_back_apart() {
    const ENDPOINTS: usize = 200;
    const EVENTS: usize = 11;
    let clock = Arc::new(ManualClock::new(START));
    let outage = Duration::from_secs(1_200);
    let (webhooks, means) = (webhooks(clock.clone()), Outage::of(clock.clone(), Some(outage)));
    for _ in 0..ENDPOINTS {
        endpoint(&webhooks, Concurrency::MAX).await;
    }
    for n in 0..EVENTS {
        accept(&webhooks, &format!("e{n}"), "user.created").await;
    }
    while let Some(due) = next_due(&*webhooks.store).await {
        clock.set(due.max(clock.now().saturating_add(GRAIN)));
        attempt_all(&webhooks, &means, &clock).await;
    }
    let (made, end) = (means.sender.made(), START.saturating_add(outage));
    let after: Vec<Timestamp> = made.iter().map(|(_, at)| *at).filter(|at| *at >= end).collect();
    assert_eq!(after.len(), ENDPOINTS * EVENTS, "each is taken at once when its endpoint works again");
    // The probe that finds it working comes a quarter of an hour after the one before, as four others did: over 10 minutes.
    let minutes = by_minute(after.into_iter());
    let busiest = minutes.values().copied().max().unwrap();
    assert!(minutes.len() >= 6, "{minutes:?}");
    assert!(busiest * 3 < ENDPOINTS * EVENTS, "{busiest} within one minute: {minutes:?}");
}
