//! Events: logged once, with a delivery for each endpoint that wants one.

use std::sync::Arc;

use webhook_svc::{
    domain::{delivery::DeliveryId, endpoint::Endpoint},
    ports::{DeliveryStore, LoggedEvent},
};

use super::on_both_stores;
use crate::support::{
    at_once,
    fixtures::{TENANT, at, claim, endpoint, endpoint_for, event, log},
};

on_both_stores!(
    an_event_goes_to_each_endpoint_that_wants_it,
    an_event_is_accepted_once_however_often_it_comes,
    one_event_at_many_doors_is_accepted_once,
    an_event_for_one_endpoint_goes_nowhere_else,
    an_endpoint_is_not_told_about_itself,
);

async fn an_event_goes_to_each_endpoint_that_wants_it<S: DeliveryStore>(store: Arc<S>) {
    let wants = [
        endpoint(),
        endpoint_for(&["user.*", "session.revoked"]),
        Endpoint { applications: vec!["app_shop".to_owned()], ..endpoint() },
    ];
    let others = [
        endpoint_for(&["user.*"]),
        Endpoint { applications: vec!["app_mail".to_owned()], ..endpoint() },
        Endpoint { tenant: "other".to_owned(), ..endpoint() },
    ];
    for endpoint in wants.iter().chain(&others) {
        store.add_endpoint(endpoint, 10).await.unwrap();
    }
    assert_eq!(store.accept(&[event("e1")]).await.unwrap(), 1);
    let mut claimed: Vec<_> = claim(&*store, at(1)).await;
    claimed.sort_by(|one, other| one.endpoint.id.cmp(&other.endpoint.id));
    let mut expected: Vec<_> = wants.to_vec();
    expected.sort_by(|one, other| one.id.cmp(&other.id));
    for (claim, endpoint) in claimed.iter().zip(&expected) {
        assert_eq!((&claim.endpoint, &claim.event), (endpoint, &event("e1")));
        assert_eq!(claim.id, DeliveryId::of(&endpoint.id, "e1"));
        assert_eq!((claim.step, claim.attempt_count), (0, 0));
    }
    assert_eq!(claimed.len(), 3);
}

async fn an_event_is_accepted_once_however_often_it_comes<S: DeliveryStore>(store: Arc<S>) {
    store.add_endpoint(&endpoint(), 10).await.unwrap();
    assert_eq!(store.accept(&[event("e1"), event("e1"), event("e2")]).await.unwrap(), 2);
    assert_eq!(store.accept(&[event("e2"), event("e3")]).await.unwrap(), 1);
    // What it says the second time does not matter: one id never has two contents.
    let forged = LoggedEvent { payload: "{}".to_owned(), ..event("e1") };
    assert_eq!(store.accept(&[forged]).await.unwrap(), 0);
    let claimed = claim(&*store, at(1)).await;
    assert_eq!(claimed.len(), 3);
    assert!(claimed.iter().all(|claim| claim.event == event(&claim.event.id)));
    assert_eq!(store.accept(&[]).await.unwrap(), 0);
}

async fn one_event_at_many_doors_is_accepted_once<S: DeliveryStore>(store: Arc<S>) {
    store.add_endpoint(&endpoint(), 10).await.unwrap();
    let ids: Vec<String> = (0..40).map(|n| format!("e{n}")).collect();
    let accepts = (0..12usize).map(|door| {
        let (store, mut ids) = (store.clone(), ids.clone());
        // Each door has its own order, so that transactions meet crosswise.
        ids.rotate_left(door * 7 % 40);
        async move {
            let events: Vec<_> = ids.iter().map(|id| event(id)).collect();
            store.accept(&events).await.unwrap()
        }
    });
    let accepted: usize = at_once(accepts).await.into_iter().sum();
    assert_eq!(accepted, 40);
    assert_eq!(claim(&*store, at(1)).await.len(), 40);
}

async fn an_event_for_one_endpoint_goes_nowhere_else<S: DeliveryStore>(store: Arc<S>) {
    let (chosen, other) = (endpoint_for(&["user.*"]), endpoint());
    store.add_endpoint(&chosen, 10).await.unwrap();
    store.add_endpoint(&other, 10).await.unwrap();
    let id = store.accept_for(&event("e1"), &chosen.id).await.unwrap();
    assert_eq!(id, Some(DeliveryId::of(&chosen.id, "e1")));
    assert_eq!(store.accept_for(&event("e1"), &chosen.id).await.unwrap(), id);
    assert_eq!(store.accept_for(&event("e2"), &endpoint().id).await.unwrap(), None);
    let claimed = claim(&*store, at(1)).await;
    assert_eq!(claimed.iter().map(|claim| &claim.id).collect::<Vec<_>>(), [id.as_ref().unwrap()]);
    assert_eq!(log(&*store, TENANT).await.len(), 1);
}

async fn an_endpoint_is_not_told_about_itself<S: DeliveryStore>(store: Arc<S>) {
    let (failing, other) = (endpoint(), endpoint());
    store.add_endpoint(&failing, 10).await.unwrap();
    store.add_endpoint(&other, 10).await.unwrap();
    let (event_type, aggregate) = ("endpoint.failing".to_owned(), failing.id.to_string());
    store.accept(&[LoggedEvent { event_type, aggregate, ..event("e1") }]).await.unwrap();
    let told: Vec<_> = claim(&*store, at(1)).await.into_iter().map(|claim| claim.endpoint.id).collect();
    assert_eq!(told, [other.id]);
}
