//! Many events at once leave room for everything else.

use proto::webhook::v1::ListDeliveriesRequest;
use sqlx::PgPool;

use crate::support::{
    at_once, database, eventually,
    sink::Sink,
    stack::{StackBuilder, session_revoked},
};

/// Where the locks of the logs begin, and how many there are.
const LOG_LOCKS: (i64, i64) = (0x6c6f_6700_0000_0000, 64);
/// Events of as many sessions: enough that every partition of the bus has some.
const EVENTS: usize = 256;

/// How many transactions wait for such a lock.
async fn waiting(pool: &PgPool) -> i64 {
    let count = "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
                 WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted";
    sqlx::query_scalar(count).fetch_one(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_wait_to_be_logged_leave_connections_to_all_others() {
    database::with_database(|url| async move {
        let (sink, stack) = (Sink::start().await, StackBuilder::postgres(&url).start().await);
        crate::rpc::create(&stack, &sink.url).await;
        let pool = database::pool(&url).await;
        let mut held = pool.begin().await.unwrap();
        let lock = "SELECT pg_advisory_xact_lock($1 + n) FROM generate_series(0, $2 - 1) AS n";
        sqlx::query(lock).bind(LOG_LOCKS.0).bind(LOG_LOCKS.1).execute(&mut *held).await.unwrap();
        let events = (0..EVENTS).map(|n| session_revoked("acme", &format!("e{n}"), &format!("sess_{n}")));
        stack.publish(&events.collect::<Vec<_>>()).await;
        eventually("batches wait", async || (waiting(&pool).await >= 2).then_some(())).await;
        let asked = (0..8).map(|_| {
            let mut deliveries = stack.deliveries();
            async move {
                let request = ListDeliveriesRequest { tenant_id: "acme".into(), ..Default::default() };
                deliveries.list_deliveries(request).await.map(drop)
            }
        });
        for answer in at_once(asked).await {
            answer.unwrap();
        }
        assert_eq!(waiting(&pool).await, 2, "of sixteen partitions");
        held.commit().await.unwrap();
        sink.wait_for(EVENTS).await;
        pool.close().await;
        stack.stop().await;
    })
    .await;
}
