//! Claims: one at a time, for a lease, and a result counts only for the claim that it belongs to.

use std::{collections::HashSet, sync::Arc, time::Duration};

use webhook_svc::{
    domain::delivery::{DeliveryId, State},
    ports::{DeliveryStore, Outcome, Redelivered},
};

use super::on_both_stores;
use crate::support::{
    at_once,
    fixtures::{
        LEASE, START, at, claim, claim_one, claim_some, endpoint, event, failed, message, next_due, outcome, taken,
    },
};

on_both_stores!(
    what_is_not_due_is_not_claimed,
    a_claimed_delivery_is_hidden_until_its_lease_ends,
    only_the_last_claim_has_a_result,
    an_attempt_is_kept_with_what_came_of_it,
    a_fault_of_ours_is_no_step,
    a_delivery_is_claimed_by_one_of_many,
    the_end_of_an_endpoint_comes_with_the_result,
    a_finished_delivery_is_made_due_again,
);

async fn accept<S: DeliveryStore>(store: &S, count: usize) {
    store.add_endpoint(&endpoint(), 10).await.unwrap();
    let events: Vec<_> = (0..count).map(|n| event(&format!("e{n}"))).collect();
    assert_eq!(store.accept(&events).await.unwrap(), count);
}

async fn what_is_not_due_is_not_claimed<S: DeliveryStore>(store: Arc<S>) {
    assert_eq!(next_due(&*store).await, None);
    accept(&*store, 1).await;
    assert_eq!(next_due(&*store).await, Some(START));
    let claimed = claim_one(&*store, START).await;
    assert!(store.record(&claimed, failed(at(5_000))).await.unwrap());
    assert_eq!(next_due(&*store).await, Some(at(5_000)));
    assert!(claim(&*store, at(4_999)).await.is_empty());
    let again = claim_one(&*store, at(5_000)).await;
    assert_eq!((again.id, again.step, again.attempt_count), (claimed.id, 1, 1));
}

async fn a_claimed_delivery_is_hidden_until_its_lease_ends<S: DeliveryStore>(store: Arc<S>) {
    accept(&*store, 1).await;
    let first = claim_one(&*store, START).await;
    let end = START.saturating_add(LEASE);
    assert!(claim(&*store, end.saturating_sub(Duration::from_millis(1))).await.is_empty());
    let second = claim_one(&*store, end).await;
    assert_eq!(second.id, first.id);
    assert!(second.generation > first.generation);
}

async fn only_the_last_claim_has_a_result<S: DeliveryStore>(store: Arc<S>) {
    accept(&*store, 1).await;
    let first = claim_one(&*store, START).await;
    let second = claim_one(&*store, START.saturating_add(LEASE)).await;
    assert!(!store.record(&first, taken()).await.unwrap());
    assert!(store.record(&second, failed(at(100_000))).await.unwrap());
    assert!(!store.record(&second, taken()).await.unwrap(), "a result counts once");
    let (delivery, attempts) = store.delivery(&first.id).await.unwrap().unwrap();
    assert_eq!((delivery.state, delivery.attempt_count, attempts.len()), (State::Pending, 1, 1));
}

async fn an_attempt_is_kept_with_what_came_of_it<S: DeliveryStore>(store: Arc<S>) {
    accept(&*store, 1).await;
    let first = claim_one(&*store, START).await;
    store.record(&first, failed(at(5_000))).await.unwrap();
    let second = claim_one(&*store, at(5_000)).await;
    store.record(&second, taken()).await.unwrap();
    let (delivery, attempts) = store.delivery(&first.id).await.unwrap().unwrap();
    assert_eq!((delivery.state, delivery.next_attempt_at, delivery.attempt_count), (State::Succeeded, None, 2));
    assert_eq!(attempts, [failed(START).attempt, taken().attempt]);
    assert_eq!(next_due(&*store).await, None);
    let unknown = DeliveryId::of(&endpoint().id, "e1");
    assert!(store.delivery(&unknown).await.unwrap().is_none());
}

async fn a_fault_of_ours_is_no_step<S: DeliveryStore>(store: Arc<S>) {
    accept(&*store, 1).await;
    let first = claim_one(&*store, START).await;
    let ours = Outcome { is_step: false, ..outcome("OURS", 0, State::Pending, Some(at(1))) };
    store.record(&first, ours).await.unwrap();
    let second = claim_one(&*store, at(1)).await;
    assert_eq!((second.step, second.attempt_count), (0, 1));
}

async fn a_delivery_is_claimed_by_one_of_many<S: DeliveryStore>(store: Arc<S>) {
    accept(&*store, 200).await;
    let claimers = (0..8).map(|_| {
        let store = store.clone();
        async move {
            let mut mine = Vec::new();
            loop {
                let claimed = claim_some(&*store, START, 7).await;
                if claimed.is_empty() {
                    return mine;
                }
                mine.extend(claimed.into_iter().map(|claim| claim.id));
            }
        }
    });
    let all: Vec<DeliveryId> = at_once(claimers).await.into_iter().flatten().collect();
    // A claimer may leave while another holds the last rows; what is left then is claimed here.
    let rest = claim(&*store, START).await.into_iter().map(|claim| claim.id);
    let all: Vec<DeliveryId> = all.into_iter().chain(rest).collect();
    assert_eq!((all.len(), all.iter().collect::<HashSet<_>>().len()), (200, 200));
}

async fn the_end_of_an_endpoint_comes_with_the_result<S: DeliveryStore>(store: Arc<S>) {
    accept(&*store, 3).await;
    let gone = claim_some(&*store, START, 1).await.remove(0);
    let outcome = Outcome {
        disable: Some("GONE"),
        events: vec![message("m1")],
        ..outcome("STATUS", 410, State::Cancelled, None)
    };
    assert!(store.record(&gone, outcome).await.unwrap());
    let stored = store.endpoint(&gone.endpoint.id).await.unwrap().unwrap();
    assert_eq!(stored.disabled.as_deref(), Some("GONE"));
    assert!(claim(&*store, at(10_000_000)).await.is_empty());
    assert_eq!(next_due(&*store).await, None);
    store.accept(&[event("later")]).await.unwrap();
    assert_eq!(next_due(&*store).await, None);
}

async fn a_finished_delivery_is_made_due_again<S: DeliveryStore>(store: Arc<S>) {
    accept(&*store, 1).await;
    let first = claim_one(&*store, START).await;
    store.record(&first, taken()).await.unwrap();
    assert_eq!(store.redeliver(&first.id, at(9_000)).await.unwrap(), Redelivered::Done);
    assert!(claim(&*store, at(8_999)).await.is_empty());
    let second = claim_one(&*store, at(9_000)).await;
    assert_eq!((second.step, second.attempt_count), (0, 1), "a new schedule, the old history");
    // Asked for again while it is under way: the try that is under way no longer counts.
    store.redeliver(&first.id, at(9_001)).await.unwrap();
    assert!(!store.record(&second, taken()).await.unwrap());
    let third = claim_one(&*store, at(9_001)).await;
    assert!(store.record(&third, taken()).await.unwrap());
    store.delete_endpoint(&first.endpoint.id).await.unwrap();
    assert_eq!(store.redeliver(&first.id, at(9_002)).await.unwrap(), Redelivered::EndpointGone);
    assert_eq!(next_due(&*store).await, None);
}
