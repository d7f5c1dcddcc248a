//! An outbox in PostgreSQL. Each service's migrations create the table:
//!
//! ```sql
//! CREATE TABLE outbox (
//!     id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
//!     xid         xid8        NOT NULL DEFAULT pg_current_xact_id(),
//!     event_id    text        NOT NULL,
//!     routing_key text        NOT NULL,
//!     body        bytea       NOT NULL,
//!     traceparent text        NOT NULL,
//!     tracestate  text        NOT NULL
//! );
//! CREATE INDEX outbox_in_commit_order ON outbox (xid, id);
//! ```
//!
//! **Commit order.** An identity column numbers rows when they are inserted, not when they commit: a relay that asked for
//! `id > last` would step over a row that commits late, for ever. So it asks for rows whose transaction is older than
//! every transaction still running, and removes exactly the rows it published.
//!
//! **Lease.** One relay works at a time: it holds an advisory lock on the connection that it works with. Losing the
//! connection loses the lock. Two relays at once would repeat events, not lose any.

use std::{convert::Infallible, time::Duration};

use sqlx::{
    PgConnection, PgPool, Row as _,
    postgres::{PgListener, PgRow},
};

use super::{BATCH_MAX, RETRY_AFTER};
use crate::{
    bus::{Message, Publisher},
    error::chain,
    lifecycle::Lifecycle,
    telemetry::TraceContext,
};

/// Channel that wakes the relay when a transaction with events commits.
pub const CHANNEL: &str = "outbox";
/// Key of the advisory lock that makes one relay work at a time.
const LOCK: i64 = 0x6c61_7463_6862_6f78;
/// Longest wait when nothing wakes the relay.
const POLL: Duration = Duration::from_secs(1);

/// Adds an event to the outbox, in the caller's transaction. A service that writes more with each event may do both by a
/// statement of its own, if that notifies [`CHANNEL`] too.
///
/// # Errors
/// Fails when the database does.
pub async fn insert(connection: &mut PgConnection, event: &Message) -> Result<(), sqlx::Error> {
    // The notification is delivered when, and only if, the transaction commits.
    const INSERT: &str = "WITH event AS (INSERT INTO outbox (event_id, routing_key, body, traceparent, tracestate) \
                                         VALUES ($1, $2, $3, $4, $5)) \
                          SELECT pg_notify($6, '')";
    sqlx::query(INSERT)
        .bind(&event.id)
        .bind(&event.routing_key)
        .bind(&event.body[..])
        .bind(&event.trace.traceparent)
        .bind(&event.trace.tracestate)
        .bind(CHANNEL)
        .execute(connection)
        .await?;
    Ok(())
}

/// Relays the outbox of `pool`'s database to `publisher` as a task of `lifecycle`.
pub fn relay<P: Publisher>(pool: PgPool, publisher: P, lifecycle: &Lifecycle) {
    let soft = lifecycle.soft().clone();
    lifecycle.spawn("outbox relay", async move {
        while !soft.is_cancelled() {
            let work = async {
                let Err(error) = relay_while_connected(&pool, &publisher).await;
                tracing::warn!(error = chain(&error), "the outbox cannot be read; trying again");
                tokio::time::sleep(RETRY_AFTER).await;
            };
            tokio::select! {
                () = work => {}
                () = soft.cancelled() => {}
            }
        }
        Ok::<_, Infallible>(())
    });
}

async fn relay_while_connected<P: Publisher>(pool: &PgPool, publisher: &P) -> Result<Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    // Taken out of the pool for good: the lock lives as long as the connection.
    let mut connection = pool.acquire().await?.detach();
    loop {
        let locked = sqlx::query("SELECT pg_try_advisory_lock($1)").bind(LOCK).fetch_one(&mut connection).await?;
        if locked.try_get::<bool, _>(0)? {
            break;
        }
        tokio::time::sleep(POLL).await;
    }
    loop {
        let (rows, events): (Vec<i64>, Vec<Message>) = fetch(&mut connection).await?.into_iter().unzip();
        if events.is_empty() {
            // A late wake-up is harmless; a lost one costs the poll interval.
            if let Ok(woken) = tokio::time::timeout(POLL, listener.recv()).await {
                woken?;
            }
            continue;
        }
        let result = publisher.publish(&events).await;
        let confirmed = result.as_ref().map_or_else(|error| error.confirmed, |()| events.len());
        remove(&mut connection, &rows[..confirmed]).await?;
        if let Err(error) = result {
            tracing::warn!(error = chain(&error), confirmed, "the bus did not take all events; trying again");
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }
}

async fn fetch(connection: &mut PgConnection) -> Result<Vec<(i64, Message)>, sqlx::Error> {
    const FETCH: &str = "SELECT id, event_id, routing_key, body, traceparent, tracestate FROM outbox \
                         WHERE xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid, id LIMIT $1";
    let limit = i64::try_from(BATCH_MAX).unwrap_or(i64::MAX);
    sqlx::query(FETCH).bind(limit).fetch_all(connection).await?.iter().map(message_of).collect()
}

fn message_of(row: &PgRow) -> Result<(i64, Message), sqlx::Error> {
    let trace = TraceContext { traceparent: row.try_get("traceparent")?, tracestate: row.try_get("tracestate")? };
    let body: Vec<u8> = row.try_get("body")?;
    let (id, routing_key) = (row.try_get("event_id")?, row.try_get("routing_key")?);
    Ok((row.try_get("id")?, Message { id, routing_key, body: body.into(), trace }))
}

async fn remove(connection: &mut PgConnection, rows: &[i64]) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM outbox WHERE id = ANY($1)").bind(rows).execute(connection).await?;
    Ok(())
}
