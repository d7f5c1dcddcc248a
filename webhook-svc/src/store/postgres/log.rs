//! The event log, read.

use sqlx::PgPool;
use svc_kit::{clock::Timestamp, telemetry::TraceContext};

use super::failed;
use crate::ports::{ArrivalQuery, LogPosition, LoggedEvent, StoreError};

/// A row of `event`.
struct EventRow {
    id: String,
    position: i64,
    tenant_id: String,
    event_type: String,
    application_id: String,
    user_id: String,
    aggregate_id: String,
    sequence: i64,
    occurred_at_ms: i64,
    received_at_ms: i64,
    payload: String,
    traceparent: String,
    tracestate: String,
}

impl From<EventRow> for (LogPosition, LoggedEvent) {
    fn from(row: EventRow) -> Self {
        let event = LoggedEvent {
            id: row.id,
            tenant: row.tenant_id,
            event_type: row.event_type,
            application: row.application_id,
            user: row.user_id,
            aggregate: row.aggregate_id,
            sequence: row.sequence.unsigned_abs(),
            occurred_at: Timestamp::from_ms(row.occurred_at_ms),
            received_at: Timestamp::from_ms(row.received_at_ms),
            payload: row.payload,
            trace: TraceContext { traceparent: row.traceparent, tracestate: row.tracestate },
        };
        (LogPosition(row.position), event)
    }
}

fn number(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Lists events in commit order.
pub(super) async fn list(
    pool: &PgPool,
    tenant: &str,
    after: LogPosition,
    limit: usize,
) -> Result<Vec<(LogPosition, LoggedEvent)>, StoreError> {
    let rows = sqlx::query_as!(
        EventRow,
        "SELECT id, position, tenant_id, type AS event_type, application_id, user_id, aggregate_id, sequence,
                occurred_at_ms, received_at_ms, payload, traceparent, tracestate
         FROM event WHERE tenant_id = $1 AND position > $2 ORDER BY position LIMIT $3",
        tenant,
        after.0,
        number(limit),
    )
    .fetch_all(pool)
    .await
    .map_err(failed)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// The place of the newest event of a tenant.
pub(super) async fn end(pool: &PgPool, tenant: &str) -> Result<LogPosition, StoreError> {
    let position = sqlx::query_scalar!("SELECT max(position) FROM event WHERE tenant_id = $1", tenant)
        .fetch_one(pool)
        .await
        .map_err(failed)?;
    Ok(LogPosition(position.unwrap_or(0)))
}

/// Lists events by the time of their arrival.
pub(super) async fn arrivals(
    pool: &PgPool,
    query: &ArrivalQuery,
) -> Result<Vec<(LogPosition, LoggedEvent)>, StoreError> {
    let (after_ms, after_position) = match query.after {
        Some((at, place)) => (at.as_ms(), place.0),
        None => (i64::MIN, 0),
    };
    let rows = sqlx::query_as!(
        EventRow,
        "SELECT id, position, tenant_id, type AS event_type, application_id, user_id, aggregate_id, sequence,
                occurred_at_ms, received_at_ms, payload, traceparent, tracestate
         FROM event
         WHERE tenant_id = $1 AND received_at_ms >= $2 AND received_at_ms < $3
           AND (received_at_ms, position) > ($4, $5)
         ORDER BY received_at_ms, position LIMIT $6",
        query.tenant,
        query.from.as_ms(),
        query.to.as_ms(),
        after_ms,
        after_position,
        number(query.limit),
    )
    .fetch_all(pool)
    .await
    .map_err(failed)?;
    Ok(rows.into_iter().map(Into::into).collect())
}
