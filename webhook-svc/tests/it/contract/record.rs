//! Tries that were taken are recorded together; whatever is wrong with one of them is no matter to the others.

use std::{collections::HashSet, sync::Arc, time::Duration};

use sqlx::PgPool;
use svc_kit::clock::ManualClock;
use webhook_svc::{
    domain::{
        delivery::{DeliveryId, State},
        endpoint::Endpoint,
        health::Health,
    },
    ports::{Claim, DeliveryStore, Ended, Outcome, ReportBounds, Word},
    store::postgres::{MIGRATIONS, PostgresStore},
};

use super::on_both_stores;
use crate::{
    days,
    support::{
        database,
        fixtures::{LEASE, START, at, claim, endpoint, event, failed, judge, outcome, taken},
    },
};

on_both_stores!(
    tries_that_were_taken_are_recorded_together,
    a_lost_claim_spoils_none_of_the_others,
    what_a_failing_endpoint_took_is_recorded_by_itself,
);

async fn claimed<S: DeliveryStore>(store: &S, count: usize) -> Vec<Claim> {
    let events: Vec<_> = (0..count).map(|n| event(&format!("e{n}"))).collect();
    assert_eq!(store.accept(&events).await.unwrap(), count);
    let claims = claim(store, at(1)).await;
    assert_eq!(claims.len(), count);
    claims
}

async fn claimed_for_one<S: DeliveryStore>(store: &S, count: usize) -> Vec<Claim> {
    store.add_endpoint(&endpoint(), 10).await.unwrap();
    claimed(store, count).await
}

/// All as receivers that took them leave them, each with a text of its own.
fn all_taken(claims: &[Claim]) -> Vec<Ended> {
    let one = |claim: &Claim| {
        let mut outcome = taken();
        outcome.attempt.response = format!("so\n{}", claim.event.id);
        outcome.attempt.failed_in = None;
        Ended { claim: claim.clone(), outcome }
    };
    claims.iter().map(one).collect()
}

fn ids(claims: &[Claim]) -> HashSet<DeliveryId> {
    claims.iter().map(|claim| claim.id.clone()).collect()
}

async fn states<S: DeliveryStore>(store: &S, claims: &[Claim]) -> Vec<(State, usize)> {
    let mut states = Vec::new();
    for claim in claims {
        let (delivery, attempts) = store.delivery(&claim.id).await.unwrap().unwrap();
        assert_eq!(delivery.attempt_count as usize, attempts.len());
        states.push((delivery.state, attempts.len()));
    }
    states
}

async fn tries_that_were_taken_are_recorded_together<S: DeliveryStore>(store: Arc<S>) {
    let claims = claimed_for_one(&*store, 300).await;
    let ended = all_taken(&claims);
    assert_eq!(store.record_taken(&ended).await.unwrap(), ids(&claims));
    assert_eq!(states(&*store, &claims).await, vec![(State::Succeeded, 1); 300]);
    let (delivery, attempts) = store.delivery(&claims[7].id).await.unwrap().unwrap();
    assert_eq!((delivery.next_attempt_at, &attempts), (None, &vec![ended[7].outcome.attempt.clone()]));
    // A result counts once.
    assert!(store.record_taken(&ended).await.unwrap().is_empty());
    assert!(!store.record(&claims[0], taken()).await.unwrap());
    assert!(claim(&*store, at(1).saturating_add(LEASE)).await.is_empty());
    assert!(store.record_taken(&[]).await.unwrap().is_empty());
}

async fn a_lost_claim_spoils_none_of_the_others<S: DeliveryStore>(store: Arc<S>) {
    let claims = claimed_for_one(&*store, 5).await;
    store.redeliver(&claims[1].id, at(2)).await.unwrap();
    assert!(store.record(&claims[3], failed(at(90_000))).await.unwrap());
    let recorded = store.record_taken(&all_taken(&claims)).await.unwrap();
    assert_eq!(recorded, ids(&[claims[0].clone(), claims[2].clone(), claims[4].clone()]));
    let (taken, again, failed) = ((State::Succeeded, 1), (State::Pending, 0), (State::Pending, 1));
    assert_eq!(states(&*store, &claims).await, [taken, again, taken, failed, taken]);
}

async fn what_a_failing_endpoint_took_is_recorded_by_itself<S: DeliveryStore>(store: Arc<S>) {
    let (works, fails) = (endpoint(), endpoint());
    for endpoint in [&works, &fails] {
        store.add_endpoint(endpoint, 10).await.unwrap();
    }
    store.accept(&[event("e1"), event("e2")]).await.unwrap();
    let (of_works, of_fails): (Vec<_>, Vec<_>) =
        claim(&*store, at(1)).await.into_iter().partition(|claim| claim.endpoint.id == works.id);
    let health = Health { failing_since: START, failures_in_a_row: 1, warnings: 0, open: None };
    let bad =
        Outcome { word: Word::Failed(judge(&health)), ..outcome("STATUS", 503, State::Pending, Some(at(90_000))) };
    assert!(store.record(&of_fails[0], bad).await.unwrap());
    let ended = all_taken(&[&of_works[..], &of_fails[1..]].concat());
    assert_eq!(store.record_taken(&ended).await.unwrap(), ids(&of_works));
    let is_failing = async |endpoint: &Endpoint| {
        let bounds = ReportBounds { since: START, attempts: 10, backlog: 10 };
        store.report(&endpoint.id, bounds).await.unwrap().health.is_some()
    };
    assert!(is_failing(&fails).await);
    assert!(store.record(&of_fails[1], taken()).await.unwrap());
    assert!(!is_failing(&fails).await);
}

/// Runs `test` with a store in a database of its own, and with the database.
async fn with_pool<F: Future<Output = ()>>(test: impl FnOnce(Arc<PostgresStore>, PgPool) -> F) {
    database::with_database(|url| async move {
        let pool = database::pool(&url).await;
        MIGRATIONS.run(&pool).await.unwrap();
        test(Arc::new(PostgresStore::new(pool.clone())), pool.clone()).await;
        pool.close().await;
    })
    .await;
}

#[tokio::test]
async fn nobody_waits_for_a_row_that_somebody_holds() {
    with_pool(|store, pool| async move {
        let claims = claimed_for_one(&*store, 3).await;
        let mut holder = pool.begin().await.unwrap();
        let held = sqlx::query("SELECT FROM delivery WHERE id = $1 FOR UPDATE").bind(claims[1].id.as_str());
        held.execute(&mut *holder).await.unwrap();
        let ended = all_taken(&claims);
        let recorded = tokio::time::timeout(Duration::from_secs(20), store.record_taken(&ended)).await;
        assert_eq!(recorded.unwrap().unwrap(), ids(&[claims[0].clone(), claims[2].clone()]));
        holder.rollback().await.unwrap();
        assert!(store.record(&claims[1], taken()).await.unwrap());
    })
    .await;
}

/// No PostgreSQL text can hold a NUL. The sender lets none through; if it did, that would be the end of one record, not of all.
#[tokio::test]
async fn a_try_that_cannot_be_stored_is_left_alone() {
    with_pool(|store, _| async move {
        let claims = claimed_for_one(&*store, 3).await;
        let mut ended = all_taken(&claims);
        ended[1].outcome.attempt.response = "\0".to_owned();
        let webhooks = days::webhooks_over(store.clone(), Arc::new(ManualClock::new(START)));
        for left in webhooks.record_taken(ended).await {
            webhooks.record(left).await;
        }
        let (taken, not) = ((State::Succeeded, 1), (State::Pending, 0));
        assert_eq!(states(&*store, &claims).await, [taken, not, taken]);
    })
    .await;
}
