//! Who comes first: tenants take turns, then their endpoints.

use std::{collections::HashMap, sync::Arc};

use webhook_svc::{
    domain::endpoint::Endpoint,
    ports::{Claim, DeliveryStore, LoggedEvent, Room},
};

use super::on_both_stores;
use crate::support::fixtures::{LEASE, START, endpoint, event, taken};

on_both_stores!(
    a_tenant_with_a_backlog_takes_its_turn_like_the_others,
    an_endpoint_with_a_backlog_takes_its_turn_like_the_others,
    a_tenant_has_no_more_claims_than_allowed,
    the_last_places_are_for_tenants_with_few_under_way,
    the_first_turn_of_fifty_tenants_comes_before_any_second,
);

async fn endpoint_of<S: DeliveryStore>(store: &S, tenant: &str) -> Endpoint {
    let endpoint = Endpoint { tenant: tenant.to_owned(), ..endpoint() };
    store.add_endpoint(&endpoint, 100).await.unwrap();
    endpoint
}

async fn accept<S: DeliveryStore>(store: &S, tenant: &str, count: usize) {
    let one = |n| LoggedEvent { tenant: tenant.to_owned(), ..event(&format!("{tenant}_{n}")) };
    assert_eq!(store.accept(&(0..count).map(one).collect::<Vec<_>>()).await.unwrap(), count);
}

fn count_by<K: std::hash::Hash + Eq>(claims: &[Claim], key: impl Fn(&Claim) -> K) -> HashMap<K, usize> {
    let mut counts = HashMap::new();
    for claim in claims {
        *counts.entry(key(claim)).or_default() += 1;
    }
    counts
}

async fn claim<S: DeliveryStore>(store: &S, room: &Room) -> Vec<Claim> {
    store.claim(START, START.saturating_add(LEASE), room).await.unwrap()
}

async fn a_tenant_with_a_backlog_takes_its_turn_like_the_others<S: DeliveryStore>(store: Arc<S>) {
    // The large tenant has more endpoints and older events: neither helps it.
    for _ in 0..5 {
        endpoint_of(&*store, "big").await;
    }
    accept(&*store, "big", 40).await;
    for tenant in ["a", "b", "c"] {
        endpoint_of(&*store, tenant).await;
        accept(&*store, tenant, 10).await;
    }
    let room = Room { per_tenant: 100, limit: 20, ..Room::default() };
    let by_tenant = count_by(&claim(&*store, &room).await, |claim| claim.event.tenant.clone());
    let expected = ["big", "a", "b", "c"].map(|tenant| (tenant.to_owned(), 5));
    assert_eq!(by_tenant, expected.into());
    // What is under way counts: the others catch up first.
    let room = Room { in_flight: [("big".to_owned(), 4)].into(), limit: 9, ..room };
    let by_tenant = count_by(&claim(&*store, &room).await, |claim| claim.event.tenant.clone());
    assert_eq!(by_tenant, [("a".to_owned(), 3), ("b".to_owned(), 3), ("c".to_owned(), 3)].into());
}

async fn an_endpoint_with_a_backlog_takes_its_turn_like_the_others<S: DeliveryStore>(store: Arc<S>) {
    let old = endpoint_of(&*store, "acme").await.id;
    accept(&*store, "acme", 30).await;
    let new = endpoint_of(&*store, "acme").await.id;
    let late = (0..30).map(|n| event(&format!("late_{n}"))).collect::<Vec<_>>();
    store.accept(&late).await.unwrap();
    let room = Room { per_tenant: 100, limit: 10, ..Room::default() };
    let by_endpoint = count_by(&claim(&*store, &room).await, |claim| claim.endpoint.id.clone());
    assert_eq!(by_endpoint, [(old, 5), (new, 5)].into());
}

async fn a_tenant_has_no_more_claims_than_allowed<S: DeliveryStore>(store: Arc<S>) {
    for _ in 0..2 {
        endpoint_of(&*store, "acme").await;
    }
    accept(&*store, "acme", 10).await;
    let room = Room { per_tenant: 7, limit: 100, ..Room::default() };
    assert_eq!(claim(&*store, &room).await.len(), 7);
    let room = Room { in_flight: [("acme".to_owned(), 6)].into(), ..room };
    assert_eq!(claim(&*store, &room).await.len(), 1);
}

async fn the_last_places_are_for_tenants_with_few_under_way<S: DeliveryStore>(store: Arc<S>) {
    for tenant in ["big", "small"] {
        endpoint_of(&*store, tenant).await;
        accept(&*store, tenant, 40).await;
    }
    let room = Room { per_tenant: 100, limit: 20, reserved: 8, few: 3, ..Room::default() };
    let by_tenant = count_by(&claim(&*store, &room).await, |claim| claim.event.tenant.clone());
    assert_eq!(by_tenant, [("big".to_owned(), 6), ("small".to_owned(), 6)].into());
    // Only such places are left.
    let room = Room { in_flight: [("big".to_owned(), 50)].into(), limit: 8, ..room };
    let by_tenant = count_by(&claim(&*store, &room).await, |claim| claim.event.tenant.clone());
    assert_eq!(by_tenant, [("small".to_owned(), 3)].into());
    let full = Room { in_flight: [("big".to_owned(), 50), ("small".to_owned(), 3)].into(), ..room.clone() };
    assert_eq!(store.next_due(START, &full).await.unwrap(), None, "nothing to wake up for");
    assert_eq!(store.next_due(START, &room).await.unwrap(), Some(START));
}

async fn the_first_turn_of_fifty_tenants_comes_before_any_second<S: DeliveryStore>(store: Arc<S>) {
    // One has a backlog that is never taken; its attempts stay under way.
    let stuck = endpoint_of(&*store, "t00").await;
    accept(&*store, "t00", 500).await;
    let tenants: Vec<String> = (1..50).map(|n| format!("t{n:02}")).collect();
    for tenant in &tenants {
        endpoint_of(&*store, tenant).await;
        accept(&*store, tenant, 3).await;
    }
    let (mut under_way, mut claimed) = (0, Vec::new());
    for turn in 1..=3 {
        let in_flight = [("t00".to_owned(), under_way)].into();
        // Room for one more at first: for the stuck one, whose turn it is as well.
        let room = Room { in_flight, per_tenant: 100, limit: 49 + usize::from(turn == 1), ..Room::default() };
        let claims = claim(&*store, &room).await;
        under_way += claims.iter().filter(|claim| claim.endpoint.id == stuck.id).count();
        for claim in claims.iter().filter(|claim| claim.endpoint.id != stuck.id) {
            assert!(store.record(claim, taken()).await.unwrap());
            claimed.push(claim.event.tenant.clone());
        }
        let counts: HashMap<&String, usize> = claimed.iter().fold(HashMap::new(), |mut counts, tenant| {
            *counts.entry(tenant).or_default() += 1;
            counts
        });
        assert!(tenants.iter().all(|tenant| counts.get(tenant) == Some(&turn)), "turn {turn}: {counts:?}");
    }
    assert_eq!(under_way, 1);
}
