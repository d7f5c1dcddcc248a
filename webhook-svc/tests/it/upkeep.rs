//! What the running service looks after without being asked.

use axum::http::StatusCode;
use sqlx::AssertSqlSafe;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{
    database, eventually,
    sink::Sink,
    stack::{Stack, StackBuilder, session_revoked},
};

/// The value of a metric of the running service, of the line that has this label.
async fn metric(stack: &Stack, name: &str, label: &str) -> Option<f64> {
    let mut connection = TcpStream::connect(stack.running.ops_addr).await.unwrap();
    connection.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).await.unwrap();
    let is_meant = |line: &&str| line.split_once('{').is_some_and(|it| it.0 == name && it.1.contains(label));
    text.lines().find(is_meant)?.rsplit_once(' ')?.1.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_counted_and_timed_by_verdict() {
    let sink = Sink::answering(|n, _| if n == 0 { StatusCode::BAD_GATEWAY } else { StatusCode::OK }).await;
    let stack = StackBuilder::memory().start().await;
    crate::rpc::create(&stack, &sink.url).await;
    stack.publish(&[session_revoked("acme", "e1", "sess_1")]).await;
    sink.wait_for(2).await;
    // The registry is one for all tests of the process, so others may have counted too.
    for verdict in ["verdict=\"STATUS\"", "verdict=\"OK\""] {
        for name in ["webhook_attempts_total", "webhook_attempt_duration_seconds_count"] {
            eventually(name, async || metric(&stack, name, verdict).await.filter(|count| *count >= 1.0)).await;
        }
        let seconds = metric(&stack, "webhook_attempt_duration_seconds_sum", verdict).await.unwrap();
        assert!(seconds > 0.0, "{verdict}");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_somebody_deleted_is_made_and_counted() {
    database::with_database(|url| async move {
        let sink = Sink::start().await;
        let stack = StackBuilder::postgres(&url).start().await;
        crate::rpc::create(&stack, &sink.url).await;
        stack.publish(&[session_revoked("acme", "e1", "sess_1"), session_revoked("acme", "e2", "sess_2")]).await;
        sink.wait_for(2).await;
        stack.stop().await;
        let pool = database::pool(&url).await;
        for statement in
            ["DELETE FROM attempt", "DELETE FROM delivery WHERE event_id = 'e1'", "UPDATE job SET next_at_ms = 0"]
        {
            sqlx::query(AssertSqlSafe(statement)).execute(&pool).await.unwrap();
        }
        pool.close().await;
        let stack = StackBuilder::postgres(&url).start().await;
        assert_eq!(sink.wait_for(3).await[2].event_id(), "e1");
        // The registry is one for all tests of the process, so others may have counted too.
        eventually("the repair is counted", async || {
            let repaired = metric(&stack, "webhook_reconciler_repaired_total", "kind=\"missing\"").await;
            repaired.filter(|count| *count >= 1.0)
        })
        .await;
        assert!(metric(&stack, "webhook_reconciler_repaired_total", "kind=\"orphaned\"").await.is_some());
        stack.stop().await;
    })
    .await;
}
