//! Order: at an endpoint that wants it the next event of a session waits for the one before, and for nothing else.

use std::{collections::HashMap, sync::Arc, time::Duration};

use webhook_svc::{
    domain::{
        delivery::{DeliveryId, State},
        endpoint::{DrainRate, Endpoint},
    },
    ports::{Claim, LogStore, LoggedEvent, Outcome, Pace, Redelivered, Replay, ReplayMode},
};

use super::on_both_stores;
use crate::support::{
    at_once,
    fixtures::{
        LEASE, START, TENANT, at, claim, claim_one, claim_some, endpoint, event, failed, next_due, outcome, taken,
    },
};

on_both_stores!(
    the_next_event_of_a_session_waits_for_the_one_before,
    what_is_given_up_or_moot_lets_the_next_one_go,
    other_sessions_and_other_endpoints_wait_for_nothing,
    what_happened_first_goes_first_however_it_arrives,
    a_claim_that_died_is_made_again_before_the_next_one_goes,
    what_is_delivered_again_waits_for_the_attempt_under_way_and_goes_before_the_rest,
    a_replay_goes_in_order,
    a_resumed_endpoint_keeps_the_order,
    order_holds_among_events_that_arrive_while_it_is_on,
    many_who_claim_keep_the_order_of_every_session,
    an_event_that_arrives_while_the_one_before_ends_is_not_forgotten,
    an_end_of_the_endpoint_ends_all_that_waits,
);

async fn ordered<S: LogStore>(store: &S) -> Endpoint {
    let endpoint = Endpoint { is_ordered: true, ..endpoint() };
    assert!(store.add_endpoint(&endpoint, 10).await.unwrap());
    endpoint
}

/// The `n`th event of a session.
fn nth(session: &str, n: u64) -> LoggedEvent {
    LoggedEvent { aggregate: session.to_owned(), sequence: n, ..event(&format!("{session}_{n}")) }
}

async fn accept<S: LogStore>(store: &S, session: &str, numbers: impl IntoIterator<Item = u64>) {
    let events: Vec<_> = numbers.into_iter().map(|n| nth(session, n)).collect();
    assert_eq!(store.accept(&events).await.unwrap(), events.len());
}

fn ids(claims: &[Claim]) -> Vec<&str> {
    let mut ids: Vec<_> = claims.iter().map(|claim| claim.event.id.as_str()).collect();
    ids.sort_unstable();
    ids
}

async fn take<S: LogStore>(store: &S, claim: &Claim) {
    assert!(store.record(claim, taken()).await.unwrap());
}

async fn the_next_event_of_a_session_waits_for_the_one_before<S: LogStore>(store: Arc<S>) {
    ordered(&*store).await;
    accept(&*store, "a", [1, 2, 3]).await;
    let first = claim_one(&*store, at(1)).await;
    assert_eq!(first.event, nth("a", 1));
    assert!(claim(&*store, at(2)).await.is_empty());
    // Between its attempts as well, and there is nothing to wake up for.
    assert!(store.record(&first, failed(at(50_000))).await.unwrap());
    assert!(claim(&*store, at(49_999)).await.is_empty());
    assert_eq!(next_due(&*store).await, Some(at(50_000)));
    let again = claim_one(&*store, at(50_000)).await;
    assert_eq!((again.id.clone(), again.step), (first.id, 1));
    take(&*store, &again).await;
    for n in [2, 3] {
        let next = claim_one(&*store, at(50_000)).await;
        assert_eq!(next.event.id, format!("a_{n}"));
        take(&*store, &next).await;
    }
    accept(&*store, "a", [4]).await;
    assert_eq!(claim_one(&*store, at(60_000)).await.event.id, "a_4");
}

async fn what_is_given_up_or_moot_lets_the_next_one_go<S: LogStore>(store: Arc<S>) {
    ordered(&*store).await;
    accept(&*store, "a", [1, 2, 3]).await;
    for (n, state) in [(1, State::Exhausted), (2, State::Cancelled)] {
        let claimed = claim_one(&*store, at(1)).await;
        assert_eq!(claimed.event.id, format!("a_{n}"));
        assert!(store.record(&claimed, outcome("STATUS", 500, state, None)).await.unwrap());
    }
    assert_eq!(claim_one(&*store, at(1)).await.event.id, "a_3");
}

async fn other_sessions_and_other_endpoints_wait_for_nothing<S: LogStore>(store: Arc<S>) {
    let (in_order, other) = (ordered(&*store).await, endpoint());
    store.add_endpoint(&other, 10).await.unwrap();
    accept(&*store, "a", [1, 2]).await;
    accept(&*store, "b", [1, 2]).await;
    // Without anything that it happened to there is no order.
    store.accept(&[LoggedEvent { aggregate: String::new(), ..event("x") }]).await.unwrap();
    store.accept(&[LoggedEvent { aggregate: String::new(), ..event("y") }]).await.unwrap();
    let claimed = claim(&*store, at(1)).await;
    let (mine, others): (Vec<_>, Vec<_>) = claimed.into_iter().partition(|claim| claim.endpoint.id == in_order.id);
    assert_eq!(ids(&mine), ["a_1", "b_1", "x", "y"]);
    assert_eq!(ids(&others), ["a_1", "a_2", "b_1", "b_2", "x", "y"]);
}

async fn what_happened_first_goes_first_however_it_arrives<S: LogStore>(store: Arc<S>) {
    ordered(&*store).await;
    accept(&*store, "a", [3]).await;
    accept(&*store, "a", [1, 2]).await;
    // Events without a number keep the order of their arrival.
    for id in ["z", "y"] {
        store.accept(&[LoggedEvent { aggregate: "u".to_owned(), ..event(id) }]).await.unwrap();
    }
    for expected in [vec!["a_1", "z"], vec!["a_2", "y"], vec!["a_3"]] {
        let claimed = claim(&*store, at(1)).await;
        assert_eq!(ids(&claimed), expected);
        for claim in &claimed {
            take(&*store, claim).await;
        }
    }
}

async fn a_claim_that_died_is_made_again_before_the_next_one_goes<S: LogStore>(store: Arc<S>) {
    ordered(&*store).await;
    accept(&*store, "a", [1, 2]).await;
    let dead = claim_one(&*store, START).await;
    let end = START.saturating_add(LEASE);
    let again = claim_one(&*store, end).await;
    assert_eq!(again.id, dead.id);
    // The dead one is heard of after all: that lets nobody go.
    assert!(!store.record(&dead, taken()).await.unwrap());
    assert!(claim(&*store, end).await.is_empty());
    take(&*store, &again).await;
    assert_eq!(claim_one(&*store, end).await.event.id, "a_2");
}

async fn what_is_delivered_again_waits_for_the_attempt_under_way_and_goes_before_the_rest<S: LogStore>(store: Arc<S>) {
    let endpoint = ordered(&*store).await;
    accept(&*store, "a", [1, 2, 3]).await;
    let first = claim_one(&*store, at(1)).await;
    take(&*store, &first).await;
    let second = claim_one(&*store, at(1)).await;
    assert_eq!(store.redeliver(&first.id, at(2)).await.unwrap(), Redelivered::Done);
    assert!(claim(&*store, at(3)).await.is_empty(), "one attempt at a time");
    assert!(store.record(&second, failed(at(4))).await.unwrap());
    let again = claim_one(&*store, at(4)).await;
    assert_eq!(again.event.id, "a_1", "although the second one is due as well");
    // Delivered again while it is under way: the new attempt is in front, not beside the old one.
    assert_eq!(store.redeliver(&first.id, at(5)).await.unwrap(), Redelivered::Done);
    assert!(!store.record(&again, taken()).await.unwrap());
    let again = claim_one(&*store, at(5)).await;
    assert_eq!(again.event.id, "a_1");
    take(&*store, &again).await;
    assert_eq!(claim_one(&*store, at(5)).await.event.id, "a_2");
    // The last of a session that is through.
    let last = DeliveryId::of(&endpoint.id, "a_3");
    assert_eq!(store.redeliver(&last, at(6)).await.unwrap(), Redelivered::Done);
    assert!(claim(&*store, at(6)).await.is_empty());
}

async fn a_replay_goes_in_order<S: LogStore>(store: Arc<S>) {
    let endpoint = ordered(&*store).await;
    accept(&*store, "a", [1, 2, 3]).await;
    for _ in 0..3 {
        let claimed = claim_one(&*store, at(1)).await;
        take(&*store, &claimed).await;
    }
    accept(&*store, "a", [4]).await;
    // In whatever order it is asked for.
    let wanted = [3, 1, 2].map(|n| Replay { event: format!("a_{n}"), endpoint: endpoint.id.clone() });
    let pace = Pace { from: at(1), rate: DrainRate::parse(1_000).unwrap(), before: 0 };
    assert_eq!(store.replay(TENANT, &wanted, pace, ReplayMode::default()).await.unwrap(), 3);
    for n in [1, 2, 3, 4] {
        let claimed = claim_one(&*store, at(1_000)).await;
        assert_eq!(claimed.event.id, format!("a_{n}"));
        take(&*store, &claimed).await;
    }
}

async fn a_resumed_endpoint_keeps_the_order<S: LogStore>(store: Arc<S>) {
    let mut endpoint = ordered(&*store).await;
    let seen = endpoint.updated_at;
    (endpoint.paused_at, endpoint.updated_at) = (Some(START), at(1));
    assert!(store.put_endpoint(&endpoint, seen).await.unwrap());
    accept(&*store, "a", 1..=6).await;
    (endpoint.paused_at, endpoint.updated_at) = (None, at(2));
    assert!(store.resume_endpoint(&endpoint, at(1), at(2), DrainRate::parse(2).unwrap()).await.unwrap());
    for n in 1..=6 {
        // At its rate: half a second from one to the next.
        assert!(claim(&*store, at(1 + n * 500)).await.is_empty());
        let claimed = claim_one(&*store, at(2 + n * 500)).await;
        assert_eq!(claimed.event.id, format!("a_{n}"));
        take(&*store, &claimed).await;
    }
}

async fn order_holds_among_events_that_arrive_while_it_is_on<S: LogStore>(store: Arc<S>) {
    let mut endpoint = ordered(&*store).await;
    accept(&*store, "a", [1, 2]).await;
    let mut switch = async |is_ordered, now| {
        let seen = endpoint.updated_at;
        (endpoint.is_ordered, endpoint.updated_at) = (is_ordered, at(now));
        assert!(store.put_endpoint(&endpoint, seen).await.unwrap());
        assert_eq!(store.endpoint(&endpoint.id).await.unwrap().as_ref(), Some(&endpoint));
    };
    switch(false, 1).await;
    accept(&*store, "a", [3, 4]).await;
    let claimed = claim(&*store, at(2)).await;
    assert_eq!(ids(&claimed), ["a_1", "a_3", "a_4"]);
    for claim in &claimed {
        take(&*store, claim).await;
    }
    switch(true, 3).await;
    accept(&*store, "a", [5]).await;
    assert_eq!(claim_one(&*store, at(4)).await.event.id, "a_2");
}

/// Claims and ends until there is nothing left; says what was under way when, by session.
async fn work<S: LogStore>(store: Arc<S>, seed: u64) -> Vec<(String, u64)> {
    let (mut done, mut turn) = (Vec::new(), seed);
    loop {
        let claimed = claim_some(&*store, at(1), 5).await;
        let is_idle = claimed.is_empty();
        for claim in claimed {
            turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let outcome: Outcome = match turn >> 62 {
                0 => failed(at(1)),
                1 => outcome("STATUS", 500, State::Exhausted, None),
                _ => taken(),
            };
            let is_end = outcome.next_attempt_at.is_none();
            assert!(store.record(&claim, outcome).await.unwrap());
            if is_end {
                done.push((claim.event.aggregate, claim.event.sequence));
            }
        }
        if is_idle && next_due(&*store).await.is_none() {
            return done;
        }
    }
}

const SESSIONS: u64 = 10;
const EVENTS: u64 = 20;

async fn many_who_claim_keep_the_order_of_every_session<S: LogStore>(store: Arc<S>) {
    ordered(&*store).await;
    let accepting = store.clone();
    // Events arrive while others are delivered.
    accept(&*store, "s0", 1..=1).await;
    let arrive = tokio::spawn(async move {
        for n in 1..=EVENTS {
            for session in 0..SESSIONS {
                if (session, n) != (0, 1) {
                    accept(&*accepting, &format!("s{session}"), [n]).await;
                }
            }
        }
    });
    let watched = store.clone();
    let watch = tokio::spawn(async move {
        // Whoever claims: never two of a session at once.
        let mut seen = 0;
        while seen < 50 {
            let mut by_session: HashMap<String, usize> = HashMap::new();
            for claim in claim_some(&*watched, at(1), 3).await {
                *by_session.entry(claim.event.aggregate.clone()).or_default() += 1;
                assert!(watched.record(&claim, failed(at(1))).await.unwrap());
            }
            assert!(by_session.values().all(|count| *count == 1), "{by_session:?}");
            seen += 1;
        }
    });
    arrive.await.unwrap();
    let workers = (0..6).map(|seed| work(store.clone(), seed));
    let done: Vec<_> = at_once(workers).await;
    watch.await.unwrap();
    let rest = work(store.clone(), 99).await;
    let count: usize = done.iter().map(Vec::len).sum::<usize>() + rest.len();
    assert_eq!(count as u64, SESSIONS * EVENTS);
    // Within each worker the numbers of a session only grow.
    for mine in done {
        let mut last: HashMap<String, u64> = HashMap::new();
        for (session, n) in mine {
            assert!(last.insert(session, n).is_none_or(|before| before < n));
        }
    }
}

async fn an_event_that_arrives_while_the_one_before_ends_is_not_forgotten<S: LogStore>(store: Arc<S>) {
    ordered(&*store).await;
    accept(&*store, "a", [1]).await;
    for n in 1..60 {
        let claimed = claim_one(&*store, at(1)).await;
        assert_eq!(claimed.event.sequence, n);
        let (ending, arriving) = (store.clone(), store.clone());
        let end = tokio::spawn(async move { take(&*ending, &claimed).await });
        let arrive = tokio::spawn(async move { accept(&*arriving, "a", [n + 1]).await });
        end.await.unwrap();
        arrive.await.unwrap();
    }
}

async fn an_end_of_the_endpoint_ends_all_that_waits<S: LogStore>(store: Arc<S>) {
    let endpoint = ordered(&*store).await;
    accept(&*store, "a", 1..=5).await;
    let claimed = claim_one(&*store, at(1)).await;
    let gone = Outcome { disable: Some("GONE"), ..outcome("STATUS", 410, State::Cancelled, None) };
    assert!(store.record(&claimed, gone).await.unwrap());
    assert!(claim(&*store, at(1).saturating_add(Duration::from_secs(9_999))).await.is_empty());
    for n in 1..=5 {
        let id = DeliveryId::of(&endpoint.id, &format!("a_{n}"));
        assert_eq!(store.delivery(&id).await.unwrap().unwrap().0.state, State::Cancelled);
    }
}
