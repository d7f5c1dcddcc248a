//! The reconciler finds nothing where nothing is broken, and repairs what is.

use std::{sync::Arc, time::Duration};

use sqlx::{AssertSqlSafe, PgPool};
use svc_kit::clock::Timestamp;
use webhook_svc::{
    domain::{
        endpoint::{DrainRate, Endpoint, EventPattern},
        logout::LogoutAddress,
    },
    ports::{
        DeliveryStore, EndpointStore as _, LoggedEvent, Pace, ReconcileBounds, Reconciled, Repairs, Replay, ReplayMode,
        Retention, UpkeepStore,
    },
    store::postgres::{MIGRATIONS, PostgresStore},
};

use super::on_both_stores;
use crate::support::{
    database,
    fixtures::{TENANT, at, claim, claim_one, endpoint, event, failed, taken},
};

on_both_stores!(
    where_nothing_is_broken_nothing_is_repaired,
    an_event_that_races_with_a_filter_is_not_made_up_for,
    steps_are_made_in_turns_and_at_their_times,
    what_is_kept_for_something_pending_only_is_made_up_for_nobody,
);

const BOUNDS: ReconcileBounds = ReconcileBounds {
    events: 3,
    age_max: Duration::from_secs(30 * 86_400),
    lapsed_after: Duration::from_secs(600),
    pause: Duration::from_millis(1),
    rest: Duration::from_millis(1),
};

/// Goes through the whole log once, from wherever it is.
async fn sweep<S: UpkeepStore>(store: &S, from: Timestamp) -> Repairs {
    let (mut all, mut now, mut ends) = (Repairs::default(), from, 0);
    while ends < 2 {
        now = now.saturating_add(Duration::from_millis(1));
        let Reconciled { is_done, is_end, repairs, .. } = store.reconcile(now, BOUNDS).await.unwrap();
        assert!(is_done);
        ends += usize::from(is_end);
        all.missing += repairs.missing;
        all.timeless += repairs.timeless;
        all.lapsed += repairs.lapsed;
        all.stranded += repairs.stranded;
        all.orphaned += repairs.orphaned;
    }
    all
}

async fn change<S: DeliveryStore>(store: &S, endpoint: &mut Endpoint, change: impl FnOnce(&mut Endpoint)) {
    let seen = endpoint.updated_at;
    change(endpoint);
    endpoint.updated_at = seen.saturating_add(Duration::from_millis(1));
    assert!(store.put_endpoint(endpoint, seen).await.unwrap());
}

fn logout(at_ms: u64, is_wanted: bool) -> LogoutAddress {
    let url = is_wanted.then(|| "https://shop.example/logout".to_owned());
    LogoutAddress { tenant: TENANT.to_owned(), application: "app_shop".to_owned(), url, at: at(at_ms) }
}

async fn where_nothing_is_broken_nothing_is_repaired<S: UpkeepStore>(store: Arc<S>) {
    let accept = async |ids: &[&str]| {
        let events: Vec<_> = ids.iter().map(|id| event(id)).collect();
        store.accept(&events).await.unwrap();
    };
    // Before there is an endpoint, then with one after the other.
    accept(&["a1", "a2", "a3", "a4"]).await;
    let mut first = endpoint();
    store.add_endpoint(&first, 10).await.unwrap();
    accept(&["b1", "b2"]).await;
    let second = Endpoint { is_ordered: true, ..endpoint() };
    store.add_endpoint(&second, 10).await.unwrap();
    store.put_logout_address(&logout(1, true)).await.unwrap();
    accept(&["c1", "c2"]).await;
    // Filters that let less through, and more again.
    change(&*store, &mut first, |first| first.event_types = vec![EventPattern::parse("user.*").unwrap()]).await;
    accept(&["d1"]).await;
    change(&*store, &mut first, |first| first.event_types = vec![EventPattern::parse("*").unwrap()]).await;
    accept(&["e1"]).await;
    change(&*store, &mut first, |first| first.applications = vec!["app_mail".to_owned()]).await;
    accept(&["f1"]).await;
    change(&*store, &mut first, |first| first.applications = Vec::new()).await;
    // Disabled and enabled again, both kinds.
    change(&*store, &mut first, |first| first.disabled = Some("DISABLED_BY_CALLER".to_owned())).await;
    store.put_logout_address(&logout(2, false)).await.unwrap();
    accept(&["g1", "g2"]).await;
    change(&*store, &mut first, |first| first.disabled = None).await;
    store.put_logout_address(&logout(3, true)).await.unwrap();
    change(&*store, &mut first, |first| first.description = "other".to_owned()).await;
    accept(&["h1"]).await;
    store
        .accept_for(&LoggedEvent { event_type: "endpoint.pinged".to_owned(), ..event("ping") }, &first.id)
        .await
        .unwrap();
    let replay = Replay { event: "a1".to_owned(), endpoint: first.id.clone() };
    let pace = Pace { from: at(1), rate: DrainRate::DEFAULT, before: 0 };
    assert_eq!(store.replay(TENANT, &[replay], pace, ReplayMode::default()).await.unwrap(), 1);
    let before = claim(&*store, at(100_000)).await;
    assert_eq!(before.len(), 5);
    for (n, claim) in before.iter().enumerate() {
        let outcome = if n % 2 == 0 { taken() } else { failed(at(200_000)) };
        store.record(claim, outcome).await.unwrap();
    }
    store.delete_endpoint(&second.id).await.unwrap();
    assert_eq!(sweep(&*store, at(101_000)).await, Repairs::default());
}

async fn an_event_that_races_with_a_filter_is_not_made_up_for<S: UpkeepStore>(store: Arc<S>) {
    let mut changing = endpoint();
    store.add_endpoint(&changing, 100).await.unwrap();
    for round in 0..30 {
        let accepting = store.clone();
        let accept = tokio::spawn(async move {
            for n in 0..5 {
                accepting.accept(&[event(&format!("e{round}_{n}"))]).await.unwrap();
            }
        });
        store.add_endpoint(&endpoint(), 100).await.unwrap();
        let only_users = vec![EventPattern::parse(if round % 2 == 0 { "user.*" } else { "*" }).unwrap()];
        change(&*store, &mut changing, |changing| changing.event_types = only_users).await;
        accept.await.unwrap();
    }
    assert_eq!(sweep(&*store, at(1)).await, Repairs::default());
}

async fn steps_are_made_in_turns_and_at_their_times<S: UpkeepStore>(store: Arc<S>) {
    let events: Vec<_> = (0..5).map(|n| event(&format!("e{n}"))).collect();
    store.accept(&events).await.unwrap();
    let bounds = ReconcileBounds { pause: Duration::from_secs(1), rest: Duration::from_secs(60), ..BOUNDS };
    let step = async |ms| {
        let done = store.reconcile(at(ms), bounds).await.unwrap();
        (done.is_done, done.is_end, done.events)
    };
    assert_eq!(step(0).await, (true, false, 3));
    assert_eq!(step(999).await, (false, false, 0));
    assert_eq!(step(1_000).await, (true, true, 2));
    assert_eq!(step(60_999).await, (false, false, 0));
    assert_eq!(step(61_000).await, (true, false, 3), "from the beginning");
}

async fn what_is_kept_for_something_pending_only_is_made_up_for_nobody<S: UpkeepStore>(store: Arc<S>) {
    let (waiting, done) = (endpoint(), endpoint());
    store.add_endpoint(&waiting, 10).await.unwrap();
    store.add_endpoint(&done, 10).await.unwrap();
    store.accept(&[event("e1")]).await.unwrap();
    for claim in claim(&*store, at(1)).await {
        let outcome = if claim.endpoint.id == done.id { taken() } else { failed(at(1)) };
        store.record(&claim, outcome).await.unwrap();
    }
    let days = |n: u64| at(n * 86_400_000);
    let (pause, rest, month) = (Duration::from_millis(1), Duration::from_millis(1), Duration::from_secs(30 * 86_400));
    let rules = Retention { payload: month, attempts: 3 * month, batch: 10, pause, rest };
    let mut removed = 0;
    for n in 0..10 {
        removed +=
            store.retain(days(100).saturating_add(Duration::from_millis(n * 2)), rules).await.unwrap().deliveries;
    }
    assert_eq!(removed, 1);
    assert_eq!(sweep(&*store, days(101)).await, Repairs::default());
}

async fn broken<F: Future<Output = ()>>(test: impl FnOnce(PgPool, PostgresStore) -> F) {
    database::with_database(|url| async move {
        let pool = database::pool(&url).await;
        MIGRATIONS.run(&pool).await.unwrap();
        test(pool.clone(), PostgresStore::new(pool.clone())).await;
        pool.close().await;
    })
    .await;
}

async fn sql(pool: &PgPool, statement: &str) -> u64 {
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(pool).await.unwrap().rows_affected()
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_that_are_missing_are_made_and_counted() {
    broken(|pool, store| async move {
        let (plain, ordered) = (endpoint(), Endpoint { is_ordered: true, ..endpoint() });
        store.add_endpoint(&plain, 10).await.unwrap();
        store.add_endpoint(&ordered, 10).await.unwrap();
        let other = Endpoint { tenant: "other".to_owned(), ..endpoint() };
        store.add_endpoint(&other, 10).await.unwrap();
        let of_other = |n: u64| LoggedEvent { tenant: "other".to_owned(), ..event(&format!("x{n}")) };
        for n in 1..=7 {
            store.accept(&[LoggedEvent { sequence: n, ..event(&format!("e{n}")) }, of_other(n)]).await.unwrap();
        }
        assert_eq!(sql(&pool, "DELETE FROM delivery WHERE event_id IN ('e1', 'e4', 'x7')").await, 5);
        let found = sweep(&store, at(1)).await;
        assert_eq!(Repairs { stranded: 0, ..found }, Repairs { missing: 5, ..Repairs::default() });
        assert_eq!(sweep(&store, at(1_000)).await, Repairs::default());
        // The one that was in front is in front again.
        let claims = claim(&store, at(1)).await;
        let of_ordered: Vec<_> = claims.iter().filter(|claim| claim.endpoint.id == ordered.id).collect();
        assert_eq!((of_ordered.len(), of_ordered[0].event.id.as_str()), (1, "e1"));
        assert_eq!(claims.len(), 7 + 7 + 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_that_nothing_would_try_are_tried_again() {
    broken(|pool, store| async move {
        let ordered = Endpoint { is_ordered: true, ..endpoint() };
        store.add_endpoint(&ordered, 10).await.unwrap();
        let of = |aggregate: &str, id: &str| LoggedEvent { aggregate: aggregate.to_owned(), ..event(id) };
        let events = [of("a", "a1"), of("a", "a2"), of("b", "b1"), of("c", "c1"), of("", "d1")];
        store.accept(&events).await.unwrap();
        sql(&pool, "ALTER TABLE delivery DROP CONSTRAINT delivery_check").await;
        assert_eq!(sql(&pool, "UPDATE delivery SET next_attempt_at_ms = NULL WHERE event_id IN ('b1', 'd1')").await, 2);
        assert_eq!(sql(&pool, "UPDATE delivery SET is_behind = true WHERE event_id IN ('a1', 'c1')").await, 2);
        assert_eq!(claim(&store, at(1)).await.len(), 0);
        let found = sweep(&store, at(1)).await;
        assert_eq!(found, Repairs { timeless: 2, stranded: 2, ..Repairs::default() });
        let mut ids: Vec<_> = claim(&store, at(1_000)).await.into_iter().map(|claim| claim.event.id).collect();
        ids.sort();
        assert_eq!(ids, ["a1", "b1", "c1", "d1"]);
        // A claim that ended long ago, while the endpoint was paused.
        let long_after = at(1_000 + 60_000 + 600_001);
        assert_eq!(sweep(&store, long_after).await, Repairs { lapsed: 4, ..Repairs::default() });
        assert_eq!(sweep(&store, long_after.saturating_add(Duration::from_secs(1))).await, Repairs::default());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_nobody_is_cancelled() {
    broken(|pool, store| async move {
        let (gone, disabled, kept) = (endpoint(), endpoint(), endpoint());
        for endpoint in [&gone, &disabled, &kept] {
            store.add_endpoint(endpoint, 10).await.unwrap();
        }
        store.accept(&[event("e1"), event("e2")]).await.unwrap();
        sql(&pool, &format!("DELETE FROM endpoint WHERE id = '{}'", gone.id)).await;
        sql(&pool, &format!("UPDATE endpoint SET is_enabled = false WHERE id = '{}'", disabled.id)).await;
        assert_eq!(sweep(&store, at(1)).await, Repairs { orphaned: 4, ..Repairs::default() });
        assert_eq!(sweep(&store, at(1_000)).await, Repairs::default());
        let first = claim(&store, at(1)).await;
        assert!(first.len() == 2 && first.iter().all(|claim| claim.endpoint.id == kept.id));
        store.record(&first[0], failed(at(5_000))).await.unwrap();
        store.record(&first[1], taken()).await.unwrap();
        assert_eq!(claim_one(&store, at(5_000)).await.id, first[0].id);
    })
    .await;
}
