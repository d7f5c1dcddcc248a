//! How much an endpoint gets at once and in a second, whoever claims.

use std::{sync::Arc, time::Duration};

use webhook_svc::{
    domain::{
        endpoint::Endpoint,
        limits::{Concurrency, Limits, RateLimit},
    },
    ports::{DeliveryStore, Room},
};

use super::on_both_stores;
use crate::support::{
    at_once,
    fixtures::{LEASE, START, TENANT, at, claim, claim_some, endpoint, event, failed, next_due_at, taken},
};

on_both_stores!(
    an_endpoint_has_no_more_attempts_under_way_than_it_allows,
    what_has_ended_takes_no_place_whether_it_is_recorded_or_not,
    many_who_claim_at_once_do_not_exceed_the_limit_together,
    a_claim_that_died_makes_room_when_its_lease_ends,
    attempts_follow_one_another_at_the_rate_of_the_endpoint,
    a_rate_that_is_lifted_holds_nothing_up,
    a_tenant_that_is_full_is_nothing_to_wake_up_for,
);

async fn accept<S: DeliveryStore>(store: &S, concurrency: u32, rate: Option<u32>, count: usize) -> Endpoint {
    let limits =
        Limits { concurrency: Concurrency::parse(concurrency).unwrap(), rate: rate.and_then(RateLimit::parse) };
    let endpoint = Endpoint { limits, ..endpoint() };
    assert!(store.add_endpoint(&endpoint, 10).await.unwrap());
    let events: Vec<_> = (0..count).map(|n| event(&format!("{}_{n}", endpoint.id))).collect();
    store.accept(&events).await.unwrap();
    endpoint
}

async fn an_endpoint_has_no_more_attempts_under_way_than_it_allows<S: DeliveryStore>(store: Arc<S>) {
    accept(&*store, 6, None, 20).await;
    let mut under_way = claim_some(&*store, START, 4).await;
    under_way.extend(claim(&*store, START).await);
    assert_eq!(under_way.len(), 6);
    assert!(claim(&*store, at(1)).await.is_empty());
    assert_eq!(next_due_at(&*store, at(1)).await, None, "nothing that there is room for");
    // Taken, failed, or made due again: each makes room for one.
    store.record(&under_way[0], taken()).await.unwrap();
    store.record(&under_way[1], failed(at(100_000))).await.unwrap();
    store.redeliver(&under_way[2].id, at(90_000)).await.unwrap();
    assert_eq!(next_due_at(&*store, at(1)).await, Some(START));
    assert_eq!(claim(&*store, at(1)).await.len(), 3);
    assert!(claim(&*store, at(1)).await.is_empty());
}

async fn what_has_ended_takes_no_place_whether_it_is_recorded_or_not<S: DeliveryStore>(store: Arc<S>) {
    accept(&*store, 4, None, 20).await;
    let under_way = claim(&*store, START).await;
    let [first, second, ..] = under_way.as_slice() else { panic!("{under_way:?}") };
    let ended = vec![first.id.clone(), second.id.clone()];
    let room = Room { per_tenant: 1_000, limit: 1_000, ended, ..Room::default() };
    store.record(first, taken()).await.unwrap();
    assert_eq!(store.next_due(at(1), &room).await.unwrap(), Some(START));
    assert_eq!(store.claim(at(1), START.saturating_add(LEASE), &room).await.unwrap().len(), 2);
    assert_eq!(store.next_due(at(1), &room).await.unwrap(), None);
    assert!(store.claim(at(1), START.saturating_add(LEASE), &room).await.unwrap().is_empty());
    // Who does not know of its end counts what is not recorded.
    store.record(&under_way[2], taken()).await.unwrap();
    assert!(claim(&*store, at(1)).await.is_empty());
    store.record(second, taken()).await.unwrap();
    assert_eq!(claim(&*store, at(1)).await.len(), 1);
}

async fn many_who_claim_at_once_do_not_exceed_the_limit_together<S: DeliveryStore>(store: Arc<S>) {
    accept(&*store, 10, None, 100).await;
    accept(&*store, 7, None, 100).await;
    accept(&*store, 1_000, Some(50), 100).await;
    let claimers = (0..12).map(|_| {
        let store = store.clone();
        async move { claim_some(&*store, START, 9).await.len() + claim(&*store, START).await.len() }
    });
    // The rate leaves a tenth of a second's worth.
    assert_eq!(at_once(claimers).await.into_iter().sum::<usize>(), 10 + 7 + 5);
}

async fn a_claim_that_died_makes_room_when_its_lease_ends<S: DeliveryStore>(store: Arc<S>) {
    accept(&*store, 2, None, 5).await;
    assert_eq!(claim(&*store, START).await.len(), 2);
    let end = START.saturating_add(LEASE);
    assert!(claim(&*store, end.saturating_sub(Duration::from_millis(1))).await.is_empty());
    assert_eq!(next_due_at(&*store, end).await, Some(START));
    assert_eq!(claim(&*store, end).await.len(), 2);
    assert!(claim(&*store, end).await.is_empty());
}

async fn attempts_follow_one_another_at_the_rate_of_the_endpoint<S: DeliveryStore>(store: Arc<S>) {
    accept(&*store, 1_000, Some(4), 9).await;
    assert_eq!(claim(&*store, START).await.len(), 1);
    assert_eq!(next_due_at(&*store, START).await, Some(at(250)), "nothing to wake up for before");
    assert!(claim(&*store, at(249)).await.is_empty());
    assert_eq!(claim(&*store, at(250)).await.len(), 1);
    // What was not used is not made up for.
    assert_eq!(claim(&*store, at(10_000)).await.len(), 1);
    assert_eq!(next_due_at(&*store, at(10_000)).await, Some(at(10_250)));
    let mut claimed = 0;
    for ms in (10_001..=11_250).step_by(10) {
        claimed += claim(&*store, at(ms)).await.len();
    }
    assert!((4..=5).contains(&claimed), "{claimed}");
}

async fn a_rate_that_is_lifted_holds_nothing_up<S: DeliveryStore>(store: Arc<S>) {
    let mut endpoint = accept(&*store, 1_000, Some(1), 5).await;
    assert_eq!(claim(&*store, START).await.len(), 1);
    let mut change = async |rate: Option<u32>, now: u64| {
        let seen = endpoint.updated_at;
        endpoint.limits.rate = rate.and_then(RateLimit::parse);
        endpoint.updated_at = at(now);
        assert!(store.put_endpoint(&endpoint, seen).await.unwrap());
        assert_eq!(store.endpoint(&endpoint.id).await.unwrap().as_ref(), Some(&endpoint));
    };
    change(None, 1).await;
    assert_eq!(claim_some(&*store, at(1), 2).await.len(), 2);
    change(Some(10), 2).await;
    assert_eq!(claim(&*store, at(1_000)).await.len(), 1);
    assert!(claim(&*store, at(1_099)).await.is_empty());
}

async fn a_tenant_that_is_full_is_nothing_to_wake_up_for<S: DeliveryStore>(store: Arc<S>) {
    accept(&*store, 1_000, None, 5).await;
    let room =
        |per_tenant| Room { in_flight: [(TENANT.to_owned(), 3)].into(), per_tenant, limit: 100, ..Room::default() };
    assert_eq!(store.next_due(START, &room(3)).await.unwrap(), None);
    assert_eq!(store.next_due(START, &room(4)).await.unwrap(), Some(START));
    assert_eq!(store.claim(START, at(60_000), &room(4)).await.unwrap().len(), 1);
}
