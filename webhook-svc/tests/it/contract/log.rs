//! The event log: one order for ever, and no way to step over an event.

use std::sync::Arc;

use webhook_svc::ports::{DeliveryStore, LogPosition, LoggedEvent};

use super::on_both_stores;
use crate::support::{
    at_once, database,
    fixtures::{self, TENANT, event},
};

on_both_stores!(the_log_is_read_in_order_and_from_any_place, a_reader_sees_every_event_of_many_writers_once);

async fn the_log_is_read_in_order_and_from_any_place<S: DeliveryStore>(store: Arc<S>) {
    let whole = LoggedEvent {
        payload: "{\"emoji\":\"🎉\",\"line\":\"\u{2028}\"}".to_owned(),
        trace: svc_kit::telemetry::TraceContext { traceparent: "00-a-b-01".to_owned(), tracestate: "x=y".to_owned() },
        ..event("e0")
    };
    store.accept(std::slice::from_ref(&whole)).await.unwrap();
    store.accept(&[event("e1"), LoggedEvent { tenant: "other".to_owned(), ..event("x") }, event("e2")]).await.unwrap();
    let log = fixtures::log(&*store, TENANT).await;
    let ids = |log: &[(LogPosition, LoggedEvent)]| log.iter().map(|(_, event)| event.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&log), ["e0", "e1", "e2"]);
    assert_eq!(log[0].1, whole);
    assert_eq!(ids(&store.events(TENANT, log[0].0, 1).await.unwrap()), ["e1"]);
    assert_eq!(ids(&fixtures::log(&*store, "other").await), ["x"]);
    assert!(store.events(TENANT, log[2].0, 10).await.unwrap().is_empty());
}

async fn a_reader_sees_every_event_of_many_writers_once<S: DeliveryStore>(store: Arc<S>) {
    const WRITERS: usize = 8;
    const EACH: usize = 25;
    let writing = store.clone();
    let writers = tokio::spawn(at_once((0..WRITERS).map(move |writer| {
        let store = writing.clone();
        async move {
            for n in 0..EACH {
                store.accept(&[event(&format!("w{writer}_{n}"))]).await.unwrap();
            }
        }
    })));
    let (mut place, mut seen) = (LogPosition::default(), Vec::new());
    crate::support::eventually("every event", async || {
        for (position, event) in store.events(TENANT, place, 7).await.unwrap() {
            assert!(position > place);
            place = position;
            seen.push(event.id);
        }
        (seen.len() >= WRITERS * EACH).then_some(())
    })
    .await;
    writers.await.unwrap();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), WRITERS * EACH);
}

/// What only a database can get wrong: a writer that takes its place early and commits late. And a long transaction that has
/// nothing to do with the log must not hold it up.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_transaction_neither_hides_an_event_nor_holds_up_the_log() {
    database::with_database(|url| async move {
        let pool = database::pool(&url).await;
        webhook_svc::store::postgres::MIGRATIONS.run(&pool).await.unwrap();
        let store = webhook_svc::store::postgres::PostgresStore::new(pool.clone());
        let mut slow = pool.begin().await.unwrap();
        sqlx::query("SELECT pg_current_xact_id()").execute(&mut *slow).await.unwrap();
        store.accept(&[event("e1")]).await.unwrap();
        assert_eq!(fixtures::log(&store, TENANT).await.len(), 1);
        slow.commit().await.unwrap();
    })
    .await;
}
