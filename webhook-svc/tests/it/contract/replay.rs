//! The log read by time, and deliveries made again.

use std::sync::Arc;

use webhook_svc::{
    domain::{
        delivery::{DeliveryId, State},
        endpoint::{DrainRate, Endpoint},
    },
    ports::{ArrivalQuery, DeliveryStore, LogPosition, LogStore, LoggedEvent, Outcome, Pace, Replay, ReplayMode},
};

use super::on_both_stores;
use crate::support::fixtures::{TENANT, at, claim, claim_one, endpoint, event, failed, log, outcome, taken};

on_both_stores!(
    the_end_of_a_log_is_the_place_of_its_newest_event,
    events_are_read_by_the_time_of_their_arrival,
    what_was_taken_is_made_again_unless_only_the_missing_is_wanted,
    what_waits_is_left_alone,
    a_dry_run_changes_nothing,
    replays_are_due_one_after_the_other,
    nothing_is_replayed_to_the_disabled_or_across_tenants,
);

const ALL: ReplayMode = ReplayMode { only_missing: false, is_dry: false };
const MISSING: ReplayMode = ReplayMode { only_missing: true, is_dry: false };

fn pace(ms: u64, before: u64) -> Pace {
    Pace { from: at(ms), rate: DrainRate::parse(10).unwrap(), before }
}

fn replay_of(id: &str, endpoint: &Endpoint) -> Replay {
    Replay { event: id.to_owned(), endpoint: endpoint.id.clone() }
}

async fn state<S: DeliveryStore>(store: &S, endpoint: &Endpoint, id: &str) -> Option<(State, bool)> {
    let found = store.delivery(&DeliveryId::of(&endpoint.id, id)).await.unwrap();
    found.map(|(delivery, _)| (delivery.state, delivery.is_replay))
}

async fn the_end_of_a_log_is_the_place_of_its_newest_event<S: LogStore>(store: Arc<S>) {
    assert_eq!(store.log_end(TENANT).await.unwrap(), LogPosition::default());
    store.accept(&[event("e1"), event("e2"), LoggedEvent { tenant: "other".to_owned(), ..event("x") }]).await.unwrap();
    let end = store.log_end(TENANT).await.unwrap();
    assert_eq!(end, log(&*store, TENANT).await[1].0);
    assert!(store.events(TENANT, end, 10).await.unwrap().is_empty());
    store.accept(&[event("e3")]).await.unwrap();
    assert_eq!(store.events(TENANT, end, 10).await.unwrap()[0].1, event("e3"));
}

async fn events_are_read_by_the_time_of_their_arrival<S: LogStore>(store: Arc<S>) {
    // Replicas whose clocks differ: the order of arrival is not the order of the log.
    for (id, ms) in [("late", 30), ("b", 10), ("a", 10), ("early", 9), ("end", 20)] {
        store.accept(&[LoggedEvent { received_at: at(ms), ..event(id) }]).await.unwrap();
    }
    let mut query = ArrivalQuery { tenant: TENANT.to_owned(), from: at(9), to: at(30), after: None, limit: 2 };
    let mut ids = Vec::new();
    loop {
        let page = store.arrivals(&query).await.unwrap();
        let Some((place, last)) = page.last() else { break };
        query.after = Some((last.received_at, *place));
        ids.extend(page.into_iter().map(|(_, event)| event.id));
    }
    assert_eq!(ids, ["early", "b", "a", "end"]);
}

async fn what_was_taken_is_made_again_unless_only_the_missing_is_wanted<S: LogStore>(store: Arc<S>) {
    let receiver = endpoint();
    // What arrived before there was an endpoint.
    store.accept(&[event("before")]).await.unwrap();
    store.add_endpoint(&receiver, 10).await.unwrap();
    for (id, outcome) in [("taken", taken()), ("given_up", outcome("STATUS", 503, State::Exhausted, None))] {
        store.accept(&[event(id)]).await.unwrap();
        assert!(store.record(&claim_one(&*store, at(1)).await, outcome).await.unwrap());
    }
    let wanted = ["before", "taken", "given_up"].map(|id| replay_of(id, &receiver));
    assert_eq!(store.replay(TENANT, &wanted, pace(10, 0), MISSING).await.unwrap(), 2);
    assert_eq!(state(&*store, &receiver, "before").await, Some((State::Pending, true)));
    assert_eq!(state(&*store, &receiver, "given_up").await, Some((State::Pending, true)));
    assert_eq!(state(&*store, &receiver, "taken").await, Some((State::Succeeded, false)));
    assert_eq!(store.replay(TENANT, &wanted, pace(10, 2), ALL).await.unwrap(), 1);
    let claims = claim(&*store, at(10_000)).await;
    // From the start of the schedule, and marked.
    assert!(claims.len() == 3 && claims.iter().all(|claim| claim.is_replay && claim.step == 0), "{claims:?}");
}

async fn what_waits_is_left_alone<S: LogStore>(store: Arc<S>) {
    let receiver = endpoint();
    store.add_endpoint(&receiver, 10).await.unwrap();
    store.accept(&[event("e1")]).await.unwrap();
    let claimed = claim_one(&*store, at(1)).await;
    assert_eq!(store.replay(TENANT, &[replay_of("e1", &receiver)], pace(2, 0), ALL).await.unwrap(), 0);
    // The attempt that is under way still counts.
    assert!(store.record(&claimed, failed(at(5_000))).await.unwrap());
    assert_eq!(state(&*store, &receiver, "e1").await, Some((State::Pending, false)));
}

async fn a_dry_run_changes_nothing<S: LogStore>(store: Arc<S>) {
    let receiver = endpoint();
    store.accept(&[event("e1")]).await.unwrap();
    store.add_endpoint(&receiver, 10).await.unwrap();
    let dry = ReplayMode { is_dry: true, ..ALL };
    assert_eq!(store.replay(TENANT, &[replay_of("e1", &receiver)], pace(1, 0), dry).await.unwrap(), 1);
    assert_eq!(state(&*store, &receiver, "e1").await, None);
}

async fn replays_are_due_one_after_the_other<S: LogStore>(store: Arc<S>) {
    let receiver = endpoint();
    let ids = ["e1", "e2", "e3", "e4"];
    store.accept(&ids.map(event)).await.unwrap();
    store.add_endpoint(&receiver, 10).await.unwrap();
    assert_eq!(store.replay(TENANT, &[replay_of("e2", &receiver)], pace(0, 0), ALL).await.unwrap(), 1);
    // What is skipped takes no time.
    let wanted = ids.map(|id| replay_of(id, &receiver));
    assert_eq!(store.replay(TENANT, &wanted, pace(0, 1), ALL).await.unwrap(), 3);
    let mut due = Vec::new();
    for id in ids {
        let (delivery, _) = store.delivery(&DeliveryId::of(&receiver.id, id)).await.unwrap().unwrap();
        due.push(delivery.next_attempt_at.unwrap());
    }
    assert_eq!(due, [at(200), at(100), at(300), at(400)]);
}

async fn nothing_is_replayed_to_the_disabled_or_across_tenants<S: LogStore>(store: Arc<S>) {
    let receiver = endpoint();
    store.accept(&[event("e1"), LoggedEvent { tenant: "other".to_owned(), ..event("x") }]).await.unwrap();
    store.add_endpoint(&receiver, 10).await.unwrap();
    let wanted = [replay_of("x", &receiver), replay_of("nothing", &receiver)];
    assert_eq!(store.replay(TENANT, &wanted, pace(1, 0), ALL).await.unwrap(), 0);
    store.accept(&[event("e2")]).await.unwrap();
    let gone = Outcome { disable: Some("GONE"), ..outcome("STATUS", 410, State::Cancelled, None) };
    store.record(&claim_one(&*store, at(1)).await, gone).await.unwrap();
    assert_eq!(store.replay(TENANT, &[replay_of("e1", &receiver)], pace(1, 0), ALL).await.unwrap(), 0);
    assert!(claim(&*store, at(100_000)).await.is_empty());
}
