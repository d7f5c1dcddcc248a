//! How endpoints are doing: a record while one fails, judged under a lock, and probes while its breaker is open.

use std::sync::{Arc, Mutex};

use svc_kit::clock::Timestamp;
use webhook_svc::{
    domain::{
        delivery::State,
        endpoint::{Endpoint, EndpointId},
        health::{Health, OpenBreaker, OpenReason, Recent},
    },
    ports::{DeliveryStore, EndpointReport, Judge, Judgement, Outcome, ReportBounds, Word},
};

use super::on_both_stores;
use crate::support::{
    at_once,
    fixtures::{LEASE, START, at, claim, claim_one, endpoint, event, failed, judge, message, next_due, taken},
};

on_both_stores!(
    a_failure_begins_a_record_and_a_success_ends_it,
    failures_are_judged_one_after_the_other,
    an_open_breaker_lets_one_attempt_through_at_a_time,
    a_probe_that_dies_is_followed_by_another,
    a_judgement_may_end_the_endpoint,
    another_address_or_another_start_ends_the_record,
    a_report_counts_attempts_and_what_waits,
);

fn failing(open: Option<OpenBreaker>) -> Health {
    Health { failing_since: START, failures_in_a_row: 10, warnings: 2, open }
}

fn open_until(next_probe_at: Timestamp) -> Health {
    failing(Some(OpenBreaker { reason: OpenReason::Rate, next_probe_at, probes: 3 }))
}

fn judged(health: &Health, next: Timestamp) -> Outcome {
    Outcome { word: Word::Failed(judge(health)), ..failed(next) }
}

async fn accept<S: DeliveryStore>(store: &S, count: usize) -> Endpoint {
    let endpoint = endpoint();
    store.add_endpoint(&endpoint, 10).await.unwrap();
    let events: Vec<_> = (0..count).map(|n| event(&format!("e{n}"))).collect();
    store.accept(&events).await.unwrap();
    endpoint
}

async fn report<S: DeliveryStore>(store: &S, id: &EndpointId) -> EndpointReport {
    store.report(id, ReportBounds { since: START, attempts: 100, backlog: 100 }).await.unwrap()
}

async fn a_failure_begins_a_record_and_a_success_ends_it<S: DeliveryStore>(store: Arc<S>) {
    let endpoint = accept(&*store, 2).await;
    assert_eq!(report(&*store, &endpoint.id).await.health, None);
    let claims = claim(&*store, START).await;
    for health in [open_until(at(5_000)), failing(None)] {
        let claimed = claim(&*store, at(100_000)).await;
        let under_way = claimed.first().unwrap_or(&claims[0]);
        assert!(store.record(under_way, judged(&health, at(1))).await.unwrap());
        assert_eq!(report(&*store, &endpoint.id).await.health, Some(health));
    }
    // A result that does not count says nothing.
    assert!(!store.record(&claims[0], taken()).await.unwrap());
    assert!(report(&*store, &endpoint.id).await.health.is_some());
    let last = claim(&*store, at(200_000)).await.remove(0);
    assert!(store.record(&last, taken()).await.unwrap());
    assert_eq!(report(&*store, &endpoint.id).await.health, None);
}

async fn failures_are_judged_one_after_the_other<S: DeliveryStore>(store: Arc<S>) {
    let endpoint = accept(&*store, 20).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let records = claim(&*store, START).await.into_iter().map(|claim| {
        let (store, seen) = (store.clone(), seen.clone());
        let judge = Judge(Arc::new(move |before: Option<Health>, recent: Recent| {
            let in_a_row = before.map_or(0, |health| health.failures_in_a_row) + 1;
            assert_eq!(recent, Recent { attempts: in_a_row, failures: in_a_row });
            seen.lock().unwrap().push(in_a_row);
            let health = Health { failures_in_a_row: in_a_row, ..failing(None) };
            Judgement { health, disable: None, events: Vec::new() }
        }));
        async move { store.record(&claim, Outcome { word: Word::Failed(judge), ..failed(at(1)) }).await.unwrap() }
    });
    assert!(at_once(records).await.into_iter().all(|is_ours| is_ours));
    assert_eq!(*seen.lock().unwrap(), (1..=20).collect::<Vec<_>>());
    assert_eq!(report(&*store, &endpoint.id).await.health.unwrap().failures_in_a_row, 20);
}

async fn an_open_breaker_lets_one_attempt_through_at_a_time<S: DeliveryStore>(store: Arc<S>) {
    accept(&*store, 5).await;
    let first = claim(&*store, START).await.remove(0);
    assert!(!first.is_probe);
    store.record(&first, judged(&open_until(at(90_000)), at(1))).await.unwrap();
    assert!(claim(&*store, at(89_999)).await.is_empty());
    assert_eq!(next_due(&*store).await, Some(at(90_000)), "nothing to wake up for before");
    let probe = claim_one(&*store, at(90_000)).await;
    assert!(probe.is_probe);
    assert!(claim(&*store, at(90_000)).await.is_empty(), "one at a time");
    store.record(&probe, judged(&open_until(at(95_000)), at(500_000))).await.unwrap();
    let probe = claim_one(&*store, at(95_000)).await;
    assert!(probe.is_probe);
    store.record(&probe, taken()).await.unwrap();
    let rest = claim(&*store, at(95_001)).await;
    assert!(rest.len() > 1 && rest.iter().all(|claim| !claim.is_probe), "it works again");
}

async fn a_probe_that_dies_is_followed_by_another<S: DeliveryStore>(store: Arc<S>) {
    accept(&*store, 2).await;
    let first = claim(&*store, START).await.remove(0);
    store.record(&first, judged(&open_until(at(90_000)), at(1))).await.unwrap();
    assert!(claim_one(&*store, at(90_000)).await.is_probe);
    let lease_end = at(90_000).saturating_add(LEASE);
    assert!(claim(&*store, lease_end.saturating_sub(std::time::Duration::from_millis(1))).await.is_empty());
    assert!(claim_one(&*store, lease_end).await.is_probe);
}

async fn a_judgement_may_end_the_endpoint<S: DeliveryStore>(store: Arc<S>) {
    let endpoint = accept(&*store, 3).await;
    let first = claim(&*store, START).await.remove(0);
    let judge = Judge(Arc::new(|_, _| Judgement {
        health: failing(None),
        disable: Some("FAILING"),
        events: vec![message("m1")],
    }));
    assert!(store.record(&first, Outcome { word: Word::Failed(judge), ..failed(at(1)) }).await.unwrap());
    assert_eq!(store.endpoint(&endpoint.id).await.unwrap().unwrap().disabled.as_deref(), Some("FAILING"));
    let (delivery, _) = store.delivery(&first.id).await.unwrap().unwrap();
    assert_eq!(delivery.state, State::Cancelled, "also the one whose attempt it was");
    let report = report(&*store, &endpoint.id).await;
    assert_eq!((report.health, report.backlog), (None, 0));
}

async fn another_address_or_another_start_ends_the_record<S: DeliveryStore>(store: Arc<S>) {
    let mut endpoint = accept(&*store, 1).await;
    let mut change = async |change: &dyn Fn(&mut Endpoint), now: u64| {
        let claimed = claim_one(&*store, at(now * 1_000_000)).await;
        store.record(&claimed, judged(&failing(None), at(1))).await.unwrap();
        let seen = endpoint.updated_at;
        change(&mut endpoint);
        endpoint.updated_at = at(now);
        assert!(store.put_endpoint(&endpoint, seen).await.unwrap());
        report(&*store, &endpoint.id).await.health.is_some()
    };
    assert!(change(&|endpoint| endpoint.description = "other".to_owned(), 1).await);
    assert!(!change(&|endpoint| endpoint.url = "https://elsewhere.example/".to_owned(), 2).await);
    assert!(!change(&|endpoint| endpoint.disabled = Some("DISABLED_BY_CALLER".to_owned()), 3).await);
}

async fn a_report_counts_attempts_and_what_waits<S: DeliveryStore>(store: Arc<S>) {
    let endpoint = accept(&*store, 4).await;
    let claims = claim(&*store, START).await;
    store.record(&claims[0], taken()).await.unwrap();
    store.record(&claims[1], failed(at(1))).await.unwrap();
    let mut ours = failed(at(1));
    ours.attempt.verdict = "OURS".to_owned();
    store.record(&claims[2], ours).await.unwrap();
    let found = report(&*store, &endpoint.id).await;
    let mut verdicts: Vec<_> = found.attempts.iter().map(|attempt| attempt.verdict.as_str()).collect();
    verdicts.sort_unstable();
    assert_eq!(verdicts, ["OK", "STATUS"]);
    assert_eq!((found.backlog, found.oldest_waiting_at), (3, Some(START)));
    let bounds = ReportBounds { since: at(1), attempts: 100, backlog: 2 };
    let found = store.report(&endpoint.id, bounds).await.unwrap();
    assert_eq!((found.attempts.len(), found.backlog), (0, 2));
}
