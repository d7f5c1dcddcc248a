//! What is old goes, what something pending needs stays, and an event that is still known is known.

use std::{sync::Arc, time::Duration};

use sqlx::{AssertSqlSafe, PgPool, raw_sql};
use svc_kit::clock::{Clock as _, SystemClock, Timestamp};
use webhook_svc::{
    domain::delivery::{DeliveryId, State},
    ports::{DeliveryStore as _, EndpointStore as _, LoggedEvent, Redelivered, Retained, Retention, UpkeepStore},
    store::postgres::{MIGRATIONS, PostgresStore},
};

use super::on_both_stores;
use crate::support::{
    database,
    fixtures::{START, TENANT, at, claim, claim_one, endpoint, event, failed, log, taken},
};

on_both_stores!(
    old_events_go_and_what_is_pending_keeps_its_own,
    what_is_made_due_again_needs_its_event,
    every_tenant_is_swept_however_much_it_has,
);

const DAY: Duration = Duration::from_secs(86_400);
const RULES: Retention = Retention {
    payload: DAY.saturating_mul(30),
    attempts: DAY.saturating_mul(90),
    batch: 2,
    pause: Duration::from_millis(1),
    rest: Duration::from_millis(1),
};

fn day(n: u32) -> Timestamp {
    START.saturating_add(DAY * n)
}

/// Goes through a whole round, from wherever it is; says how many events and deliveries went.
async fn round<S: UpkeepStore>(store: &S, from: Timestamp) -> (usize, usize) {
    let (mut now, mut ends, mut gone) = (from, 0, (0, 0));
    while ends < 2 {
        now = now.saturating_add(Duration::from_millis(1));
        let Retained { is_done, is_end, events, deliveries, .. } = store.retain(now, RULES).await.unwrap();
        assert!(is_done);
        ends += usize::from(is_end);
        gone = (gone.0 + events, gone.1 + deliveries);
    }
    gone
}

async fn old_events_go_and_what_is_pending_keeps_its_own<S: UpkeepStore>(store: Arc<S>) {
    let mut receiver = endpoint();
    store.add_endpoint(&receiver, 10).await.unwrap();
    store.accept(&[event("done"), event("waits")]).await.unwrap();
    let ids = ["done", "waits"].map(|id| DeliveryId::of(&receiver.id, id));
    for claim in claim(&*store, START).await {
        let outcome = if claim.id == ids[0] { taken() } else { failed(day(200)) };
        store.record(&claim, outcome).await.unwrap();
    }
    store.accept(&[LoggedEvent { received_at: day(10), ..event("later") }]).await.unwrap();
    assert_eq!(round(&*store, day(29)).await, (0, 0));
    assert_eq!(round(&*store, day(31)).await, (1, 0));
    let logged: Vec<_> = log(&*store, TENANT).await.into_iter().map(|(_, event)| event.id).collect();
    assert_eq!(logged, ["waits", "later"]);
    // The delivery is still shown, with its attempts.
    let (delivery, attempts) = store.delivery(&ids[0]).await.unwrap().unwrap();
    assert_eq!(
        (delivery.state, delivery.event_type.as_str(), attempts.len()),
        (State::Succeeded, "session.revoked", 1)
    );
    assert_eq!(round(&*store, day(91)).await, (0, 1));
    assert!(store.delivery(&ids[0]).await.unwrap().is_none());
    // What waits has its body, whenever it is sent; a known event stays known meanwhile.
    assert_eq!(store.accept(&[event("waits")]).await.unwrap(), 0);
    let last = claim(&*store, day(200)).await.into_iter().find(|claim| claim.id == ids[1]).unwrap();
    assert_eq!(last.event, event("waits"));
    store.record(&last, taken()).await.unwrap();
    let seen = receiver.updated_at;
    (receiver.disabled, receiver.updated_at) = (Some("DISABLED_BY_CALLER".to_owned()), at(1));
    store.put_endpoint(&receiver, seen).await.unwrap();
    assert_eq!(round(&*store, day(201)).await, (2, 2));
    assert!(log(&*store, TENANT).await.is_empty());
}

async fn what_is_made_due_again_needs_its_event<S: UpkeepStore>(store: Arc<S>) {
    store.add_endpoint(&endpoint(), 10).await.unwrap();
    store.accept(&[event("e1"), LoggedEvent { received_at: day(5), ..event("e2") }]).await.unwrap();
    for claim in claim(&*store, day(5)).await {
        store.record(&claim, taken()).await.unwrap();
    }
    let only = store.endpoints(TENANT, None, 1).await.unwrap().remove(0);
    let id = |event: &str| DeliveryId::of(&only.id, event);
    assert_eq!(round(&*store, day(31)).await, (1, 0));
    assert_eq!(store.redeliver(&id("e1"), day(31)).await.unwrap(), Redelivered::EventGone);
    assert_eq!(store.redeliver(&id("e2"), day(31)).await.unwrap(), Redelivered::Done);
    // Old by now, but pending again.
    assert_eq!(round(&*store, day(40)).await, (0, 0));
    assert_eq!(claim_one(&*store, day(40)).await.event.id, "e2");
}

async fn every_tenant_is_swept_however_much_it_has<S: UpkeepStore>(store: Arc<S>) {
    for tenant in ["a", "b", "c"] {
        let events = (0..5).map(|n| LoggedEvent { tenant: tenant.to_owned(), ..event(&format!("{tenant}{n}")) });
        store.accept(&events.collect::<Vec<_>>()).await.unwrap();
    }
    assert_eq!(round(&*store, day(31)).await, (15, 0));
    assert_eq!(round(&*store, day(32)).await, (0, 0));
}

async fn migrated<F: Future<Output = ()>>(test: impl FnOnce(PgPool, PostgresStore) -> F) {
    database::with_database(|url| async move {
        let pool = database::pool(&url).await;
        MIGRATIONS.run(&pool).await.unwrap();
        test(pool.clone(), PostgresStore::new(pool.clone())).await;
        pool.close().await;
    })
    .await;
}

async fn partitions(pool: &PgPool) -> Vec<String> {
    let names = "SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
                 WHERE inhparent = 'attempt'::regclass ORDER BY 1";
    sqlx::query_scalar(names).fetch_all(pool).await.unwrap()
}

async fn count(pool: &PgPool, table: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_go_with_the_partitions_of_their_days() {
    migrated(|pool, store| async move {
        let now = SystemClock.now();
        let try_one = async |id: &str, when: Timestamp| {
            store.accept(&[LoggedEvent { received_at: when, ..event(id) }]).await.unwrap();
            let claimed = claim_one(&store, when).await;
            let mut outcome = taken();
            outcome.attempt.at = when;
            assert!(store.record(&claimed, outcome).await.unwrap());
            claimed.id
        };
        store.add_endpoint(&endpoint(), 10).await.unwrap();
        assert_eq!(partitions(&pool).await.len(), 2, "what there was, and the default one");
        let first = store.retain(now, RULES).await.unwrap();
        assert_eq!((first.is_done, first.partitions), (true, 0));
        // Today and a week ahead.
        let ahead = partitions(&pool).await;
        assert_eq!(ahead.len(), 1 + 8, "{ahead:?}");
        let old = try_one("old", now).await;
        let next = try_one("next", now.saturating_add(DAY * 3)).await;
        assert_eq!(count(&pool, "attempt_default").await, 0);
        // The service was away for long: what came then is where it belongs, once there is a place for it.
        let late = now.saturating_add(DAY * 60);
        let gap = try_one("gap", late).await;
        assert_eq!(count(&pool, "attempt_default").await, 1);
        round(&store, late).await;
        assert_eq!(count(&pool, "attempt_default").await, 0);
        assert_eq!(store.delivery(&gap).await.unwrap().unwrap().1.len(), 1);
        // Attempts are gone a day after the last of their day is too old; nothing else is.
        round(&store, now.saturating_add(DAY * 92)).await;
        assert!(store.delivery(&old).await.unwrap().is_none());
        assert_eq!(store.delivery(&next).await.unwrap().unwrap().1.len(), 1);
        assert_eq!(count(&pool, "attempt").await, 2);
        round(&store, now.saturating_add(DAY * 160)).await;
        assert_eq!(count(&pool, "attempt").await, 0);
        let left = partitions(&pool).await;
        assert!(left.len() < 20 && left.contains(&"attempt_default".to_owned()), "{left:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_the_partitions_is_kept() {
    database::with_database(|url| async move {
        let pool = database::pool(&url).await;
        let (before, after): (Vec<_>, Vec<_>) = MIGRATIONS.iter().partition(|step| step.version < 13);
        for step in before {
            raw_sql(step.sql.clone()).execute(&pool).await.unwrap();
        }
        let id = DeliveryId::of(&endpoint().id, "e1");
        let rows = format!(
            "INSERT INTO event (id, tenant_id, type, application_id, occurred_at_ms, received_at_ms, payload, traceparent,
                                tracestate, aggregate_id, user_id)
             VALUES ('e1', 'acme', 'user.created', '', 1, 1, '{{}}', '', '', '', '');
             INSERT INTO delivery (id, tenant_id, endpoint_id, event_id, state, created_at_ms)
             VALUES ('{id}', 'acme', '{}', 'e1', 2, 1);
             INSERT INTO attempt (delivery_id, number, at_ms, verdict, status_code, duration_ms, response, endpoint_id)
             VALUES ('{id}', 1, 5, 'OK', 200, 7, '', ''), ('{id}', 2, 1700000000000, 'OK', 200, 7, '', '')",
            endpoint().id
        );
        raw_sql(AssertSqlSafe(rows)).execute(&pool).await.unwrap();
        for step in after {
            raw_sql(step.sql.clone()).execute(&pool).await.unwrap();
        }
        let store = PostgresStore::new(pool.clone());
        let (delivery, attempts) = store.delivery(&id).await.unwrap().unwrap();
        assert_eq!((delivery.event_type.as_str(), attempts.len()), ("user.created", 2));
        pool.close().await;
    })
    .await;
}
