//! A paused endpoint keeps its events; a resumed one sends them at the rate that was asked for.

use std::sync::Arc;

use svc_kit::clock::Timestamp;
use webhook_svc::{
    domain::{delivery::State, endpoint::DrainRate, endpoint::Endpoint},
    ports::{DeliveryQuery, DeliveryStore, LoggedEvent},
};

use super::on_both_stores;
use crate::support::fixtures::{START, TENANT, at, claim, claim_one, endpoint, event, failed, next_due};

on_both_stores!(
    a_paused_endpoint_keeps_its_events,
    a_resumed_endpoint_sends_what_piled_up_one_after_the_other,
    what_is_not_overdue_keeps_its_time,
    a_change_meanwhile_stops_a_resume,
);

async fn pause<S: DeliveryStore>(store: &S, endpoint: &mut Endpoint) {
    let seen = endpoint.updated_at;
    (endpoint.paused_at, endpoint.updated_at) = (Some(START), seen.saturating_add(std::time::Duration::from_millis(1)));
    assert!(store.put_endpoint(endpoint, seen).await.unwrap());
}

async fn resume<S: DeliveryStore>(store: &S, endpoint: &mut Endpoint, now: Timestamp, per_second: u32) {
    let seen = endpoint.updated_at;
    (endpoint.paused_at, endpoint.updated_at) = (None, now);
    assert!(store.resume_endpoint(endpoint, seen, now, DrainRate::parse(per_second).unwrap()).await.unwrap());
    assert_eq!(store.endpoint(&endpoint.id).await.unwrap().as_ref(), Some(&*endpoint));
}

async fn a_paused_endpoint_keeps_its_events<S: DeliveryStore>(store: Arc<S>) {
    let (mut paused, other) = (endpoint(), endpoint());
    store.add_endpoint(&paused, 10).await.unwrap();
    store.accept(&[event("e1")]).await.unwrap();
    pause(&*store, &mut paused).await;
    assert!(claim(&*store, at(1)).await.is_empty());
    assert_eq!(next_due(&*store).await, None, "nothing to wake up for");
    store.add_endpoint(&other, 10).await.unwrap();
    store.accept(&[event("e2")]).await.unwrap();
    assert_eq!(claim_one(&*store, at(1)).await.endpoint.id, other.id);
    let query = DeliveryQuery {
        tenant: TENANT.to_owned(),
        endpoint: Some(paused.id),
        state: Some(State::Pending),
        after: None,
        limit: 10,
    };
    assert_eq!(store.deliveries(&query).await.unwrap().len(), 2);
}

async fn a_resumed_endpoint_sends_what_piled_up_one_after_the_other<S: DeliveryStore>(store: Arc<S>) {
    let mut paused = endpoint();
    store.add_endpoint(&paused, 10).await.unwrap();
    pause(&*store, &mut paused).await;
    let old = |n: u64| LoggedEvent { received_at: at(n), ..event(&format!("e{n}")) };
    store.accept(&(0..10).map(old).collect::<Vec<_>>()).await.unwrap();
    resume(&*store, &mut paused, at(1_000), 3).await;
    store.accept(&[LoggedEvent { received_at: at(1_000), ..event("new") }]).await.unwrap();
    assert_eq!(claim_one(&*store, at(1_000)).await.event.id, "new", "what comes later does not queue up");
    assert_eq!(next_due(&*store).await, Some(at(1_334)));
    let mut sent = Vec::new();
    for second in 1..=4 {
        let claimed = claim(&*store, at(1_000 + second * 1_000)).await;
        let mut ids: Vec<String> = claimed.into_iter().map(|claim| claim.event.id).collect();
        ids.sort();
        sent.push(ids);
    }
    assert_eq!(sent, [vec!["e0", "e1", "e2"], vec!["e3", "e4", "e5"], vec!["e6", "e7", "e8"], vec!["e9"]]);
}

async fn what_is_not_overdue_keeps_its_time<S: DeliveryStore>(store: Arc<S>) {
    let mut paused = endpoint();
    store.add_endpoint(&paused, 10).await.unwrap();
    store.accept(&[event("e1")]).await.unwrap();
    let tried = claim_one(&*store, START).await;
    store.record(&tried, failed(at(500_000))).await.unwrap();
    pause(&*store, &mut paused).await;
    resume(&*store, &mut paused, at(1_000), 1).await;
    assert_eq!(next_due(&*store).await, Some(at(500_000)));
}

async fn a_change_meanwhile_stops_a_resume<S: DeliveryStore>(store: Arc<S>) {
    let mut paused = endpoint();
    store.add_endpoint(&paused, 10).await.unwrap();
    pause(&*store, &mut paused).await;
    let resumed = Endpoint { paused_at: None, updated_at: at(9), ..paused.clone() };
    assert!(!store.resume_endpoint(&resumed, START, at(9), DrainRate::DEFAULT).await.unwrap());
    assert_eq!(store.endpoint(&paused.id).await.unwrap(), Some(paused));
}
