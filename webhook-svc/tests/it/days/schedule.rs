//! A delivery that nobody takes: every step at its time, and an end.

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use proto::event::v1::{Event, event::Data};
use svc_kit::clock::{ManualClock, Timestamp};
use webhook_svc::{
    app::Webhooks,
    domain::{
        delivery::{DeliveryId, State},
        limits::Concurrency,
    },
    ports::DeliveryStore as _,
    store::memory::MemoryStore,
};

use super::{Outage, accept, attempt_all, endpoint, webhooks};
use crate::support::fixtures::{START, next_due};

const URGENT_S: [u64; 4] = [1, 5, 15, 60];
const STEPS_S: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// Walks the whole schedule of one event of this type, from one time that is due to the next; returns the times of its attempts.
async fn walk(event_type: &str) -> (Arc<Webhooks<MemoryStore>>, DeliveryId, Vec<Timestamp>) {
    let clock = Arc::new(ManualClock::new(START));
    let (webhooks, means) = (webhooks(clock.clone()), Outage::of(clock.clone(), None));
    let id = DeliveryId::of(&endpoint(&webhooks, Concurrency::MAX).await.id, "e1");
    accept(&webhooks, "e1", event_type).await;
    while let Some(due) = next_due(&*webhooks.store).await {
        clock.set(due);
        attempt_all(&webhooks, &means, &clock).await;
    }
    let times = means.sender.made().into_iter().map(|(_, at)| at).collect();
    (webhooks, id, times)
}

/// Every pause is its step, varied by a fifth at most; and not all by the same.
fn assert_walked(times: &[Timestamp], steps_s: &[u64]) {
    let pauses: Vec<Duration> = times.windows(2).map(|two| two[1].duration_since(two[0])).collect();
    assert_eq!(pauses.len(), steps_s.len(), "{pauses:?}");
    let shares: Vec<f64> = pauses.iter().zip(steps_s).map(|(pause, step)| pause.as_secs_f64() / *step as f64).collect();
    // Time has a grain of a millisecond here.
    assert!(shares.iter().all(|share| (0.799..=1.201).contains(share)), "{shares:?}");
    let (least, most) = (shares.iter().copied().fold(2.0, f64::min), shares.iter().copied().fold(0.0, f64::max));
    assert!(most - least > 0.1, "no jitter: {shares:?}");
}

/// The one event that says that the delivery was given up.
fn exhausted(webhooks: &Webhooks<MemoryStore>) -> (String, u32) {
    let events = webhooks.store.outbox.waiting();
    let events: Vec<Event> = events.iter().map(|event| Event::decode(&event.body[..]).unwrap()).collect();
    let given_up: Vec<_> = events.iter().filter(|event| event.r#type == "delivery.exhausted").collect();
    assert_eq!(given_up.len(), 1, "{events:?}");
    let Some(Data::DeliveryExhausted(data)) = &given_up[0].data else { panic!("{given_up:?}") };
    (data.delivery_id.clone(), data.attempts)
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_tried_at_every_step_and_given_up_after_76_hours() {
    let (webhooks, id, times) = walk("user.created").await;
    assert_walked(&times, &STEPS_S);
    let hours = times[9].duration_since(times[0]).as_secs_f64() / 3_600.0;
    assert!((61.0..91.0).contains(&hours), "{hours}");
    assert_eq!(exhausted(&webhooks), (id.to_string(), 10));
    let (delivery, attempts) = webhooks.store.delivery(&id).await.unwrap().unwrap();
    assert_eq!((delivery.state, delivery.next_attempt_at), (State::Exhausted, None));
    assert_eq!(attempts.iter().map(|attempt| attempt.at).collect::<Vec<_>>(), times);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_session_is_tried_at_the_urgent_steps_first() {
    for event_type in ["session.revoked", "session.expired", "session.reuse_detected", "sessions.cutoff"] {
        let (webhooks, id, times) = walk(event_type).await;
        assert_walked(&times, &[&URGENT_S[..], &STEPS_S[1..]].concat());
        assert_eq!(exhausted(&webhooks), (id.to_string(), 13), "{event_type}");
    }
}
