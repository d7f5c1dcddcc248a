//! Lists of deliveries: newest first, by endpoint and state, page by page.

use std::sync::Arc;

use webhook_svc::{
    domain::{delivery::State, endpoint::Endpoint},
    ports::{DeliveryQuery, DeliveryStore, LoggedEvent},
};

use super::on_both_stores;
use crate::support::fixtures::{TENANT, at, claim, endpoint, endpoint_for, event, taken};

on_both_stores!(deliveries_are_listed_newest_first, deliveries_are_chosen_by_endpoint_and_state, pages_cover_the_list);

fn query() -> DeliveryQuery {
    DeliveryQuery { tenant: TENANT.to_owned(), endpoint: None, state: None, after: None, limit: 1_000 }
}

async fn accept_at<S: DeliveryStore>(store: &S, id: &str, ms: u64) {
    store.accept(&[LoggedEvent { received_at: at(ms), ..event(id) }]).await.unwrap();
}

async fn deliveries_are_listed_newest_first<S: DeliveryStore>(store: Arc<S>) {
    store.add_endpoint(&endpoint(), 10).await.unwrap();
    store.add_endpoint(&Endpoint { tenant: "other".to_owned(), ..endpoint() }, 10).await.unwrap();
    for (id, ms) in [("b", 2), ("c", 3), ("a", 1)] {
        accept_at(&*store, id, ms).await;
    }
    store.accept(&[LoggedEvent { tenant: "other".to_owned(), ..event("x") }]).await.unwrap();
    let listed = store.deliveries(&query()).await.unwrap();
    assert_eq!(listed.iter().map(|delivery| delivery.event.as_str()).collect::<Vec<_>>(), ["c", "b", "a"]);
    let newest = &listed[0];
    assert_eq!((newest.created_at, newest.next_attempt_at, newest.attempt_count), (at(3), Some(at(3)), 0));
    assert_eq!((newest.tenant.as_str(), newest.event_type.as_str()), (TENANT, "session.revoked"));
}

async fn deliveries_are_chosen_by_endpoint_and_state<S: DeliveryStore>(store: Arc<S>) {
    let (all, users) = (endpoint(), endpoint_for(&["user.*"]));
    store.add_endpoint(&all, 10).await.unwrap();
    store.add_endpoint(&users, 10).await.unwrap();
    store.accept(&[event("e1"), LoggedEvent { event_type: "user.created".to_owned(), ..event("e2") }]).await.unwrap();
    for claim in claim(&*store, at(1)).await.iter().filter(|claim| claim.event.id == "e1") {
        store.record(claim, taken()).await.unwrap();
    }
    let chosen = async |endpoint: Option<&Endpoint>, state| {
        let query = DeliveryQuery { endpoint: endpoint.map(|endpoint| endpoint.id.clone()), state, ..query() };
        let mut events: Vec<_> = store.deliveries(&query).await.unwrap().into_iter().map(|d| d.event).collect();
        events.sort();
        events
    };
    assert_eq!(chosen(None, None).await, ["e1", "e2", "e2"]);
    assert_eq!(chosen(Some(&users), None).await, ["e2"]);
    assert_eq!(chosen(Some(&all), Some(State::Succeeded)).await, ["e1"]);
    assert_eq!(chosen(None, Some(State::Pending)).await, ["e2", "e2"]);
    assert!(chosen(Some(&users), Some(State::Exhausted)).await.is_empty());
}

async fn pages_cover_the_list<S: DeliveryStore>(store: Arc<S>) {
    for _ in 0..3 {
        store.add_endpoint(&endpoint(), 10).await.unwrap();
    }
    for n in 0..7 {
        // Several in one millisecond: the id decides between them.
        accept_at(&*store, &format!("e{n}"), n / 3).await;
    }
    let whole = store.deliveries(&query()).await.unwrap();
    assert_eq!(whole.len(), 21);
    let mut pages = Vec::new();
    loop {
        let after =
            pages.last().map(|last: &webhook_svc::domain::delivery::Delivery| (last.created_at, last.id.clone()));
        let page = store.deliveries(&DeliveryQuery { after, limit: 4, ..query() }).await.unwrap();
        if page.is_empty() {
            break;
        }
        pages.extend(page);
    }
    assert_eq!(pages, whole);
}
