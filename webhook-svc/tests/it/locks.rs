//! Those who wait for a lock leave room for everything else, and nothing is left of it when they gave up.

use std::collections::BTreeSet;

use proto::webhook::v1::ListDeliveriesRequest;
use sqlx::PgPool;

use crate::support::{
    at_once, database, eventually,
    sink::Sink,
    stack::{Stack, StackBuilder, session_revoked},
};

/// Where the locks of the logs begin, and how many there are.
const LOG_LOCKS: (i64, i64) = (0x6c6f_6700_0000_0000, 64);
/// The lock under which claims are made.
const CLAIM_LOCK: (i64, i64) = (0x636c_6169_6d00_0000, 1);
/// Takes such locks.
const LOCK: &str = "SELECT pg_advisory_xact_lock($1 + n) FROM generate_series(0, $2 - 1) AS n";
/// Events of as many sessions: enough that every partition of the bus has some.
const EVENTS: usize = 256;

/// The transactions that wait for such a lock, by the times of their beginnings.
async fn waiting(pool: &PgPool) -> Vec<String> {
    let waiting = "SELECT xact_start::text FROM pg_locks JOIN pg_stat_activity USING (pid)
                   WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted";
    sqlx::query_scalar(waiting).fetch_all(pool).await.unwrap()
}

/// Whether everybody is answered who asks, eight at once.
async fn answers(stack: &Stack) -> bool {
    let asked = (0..8).map(|_| {
        let mut deliveries = stack.deliveries();
        async move {
            let request = ListDeliveriesRequest { tenant_id: "acme".into(), ..Default::default() };
            deliveries.list_deliveries(request).await.is_ok()
        }
    });
    at_once(asked).await.into_iter().all(|is_answered| is_answered)
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_wait_to_be_logged_leave_connections_to_all_others() {
    database::with_database(|url| async move {
        let (sink, stack) = (Sink::start().await, StackBuilder::postgres(&url).start().await);
        crate::rpc::create(&stack, &sink.url).await;
        let pool = database::pool(&url).await;
        let mut held = pool.begin().await.unwrap();
        sqlx::query(LOCK).bind(LOG_LOCKS.0).bind(LOG_LOCKS.1).execute(&mut *held).await.unwrap();
        let events = (0..EVENTS).map(|n| session_revoked("acme", &format!("e{n}"), &format!("sess_{n}")));
        stack.publish(&events.collect::<Vec<_>>()).await;
        eventually("batches wait", async || (waiting(&pool).await.len() >= 2).then_some(())).await;
        assert!(answers(&stack).await);
        assert_eq!(waiting(&pool).await.len(), 2, "of sixteen partitions");
        held.commit().await.unwrap();
        sink.wait_for(EVENTS).await;
        pool.close().await;
        stack.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_that_waited_in_vain_leave_sound_connections() {
    database::with_database(|url| async move {
        let sink = Sink::start().await;
        let builder = StackBuilder::postgres(&url).set("POSTGRES__CONNECTIONS_MAX", "3");
        let stack = builder.set("POSTGRES__STATEMENT_TIMEOUT", "100ms").start().await;
        crate::rpc::create(&stack, &sink.url).await;
        let pool = database::pool(&url).await;
        let mut held = pool.begin().await.unwrap();
        sqlx::query(LOCK).bind(CLAIM_LOCK.0).bind(CLAIM_LOCK.1).execute(&mut *held).await.unwrap();
        stack.publish(&[session_revoked("acme", "e1", "sess_1")]).await;
        // More than there are connections.
        let mut gave_up = BTreeSet::new();
        eventually("claims wait in vain", async || {
            gave_up.extend(waiting(&pool).await);
            (gave_up.len() > 5).then_some(())
        })
        .await;
        held.commit().await.unwrap();
        sink.wait_for(1).await;
        assert!(answers(&stack).await);
        pool.close().await;
        stack.stop().await;
    })
    .await;
}
