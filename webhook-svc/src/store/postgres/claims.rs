//! Claims: what is due and there is room for, whose turn it is, and what comes next.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::PgPool;
use svc_kit::{clock::Timestamp, telemetry::TraceContext};

use super::{
    failed, hurry,
    rows::{EndpointRow, readable},
};
use crate::{
    domain::{delivery::DeliveryId, endpoint::Endpoint},
    ports::{Claim, LoggedEvent, Room, StoreError},
};

/// The attempts under way by tenant, as the statements take them: looked up there for one endpoint after the other.
fn busy(room: &Room) -> Value {
    room.in_flight.iter().map(|(tenant, count)| (tenant.clone(), Value::from(*count))).collect()
}

/// The tries that take no place any more.
fn ended(room: &Room) -> Vec<&str> {
    room.ended.iter().map(DeliveryId::as_str).collect()
}

/// A row that was claimed, with its event.
struct ClaimedRow {
    id: String,
    endpoint_id: String,
    generation: i32,
    step: i32,
    attempt_count: i32,
    is_replay: bool,
    is_probe: bool,
    lane: Option<String>,
    event_id: String,
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

/// Claims due deliveries. A turn is the number of attempts that a tenant (here), or an endpoint within it (anywhere), has
/// under way when it gets one more: lower turns come first, so the backlog of one holds up none of the others.
pub(super) async fn claim(
    pool: &PgPool,
    now: Timestamp,
    lease_until: Timestamp,
    room: &Room,
) -> Result<Vec<Claim>, StoreError> {
    let mut transaction = hurry::begin_claim(pool).await?;
    let claimed = sqlx::query_as!(
        ClaimedRow,
        r#"WITH waiting AS (
               SELECT endpoint_id, tenant_id, leased.count AS under_way, next_probe_at_ms IS NOT NULL AS is_probe,
                      least(CASE WHEN next_probe_at_ms IS NULL THEN greatest(max_concurrency - leased.count, 0)
                                 WHEN next_probe_at_ms <= $2 THEN 1 ELSE 0 END,
                            -- NULL, and so no bound, without a rate.
                            greatest($2 * 1000 + early_us - greatest(next_slot_at_us, $2 * 1000) + interval_us, 0) / interval_us,
                            $3) AS free
               FROM open_endpoint CROSS JOIN LATERAL (
                   SELECT count(*) AS count FROM delivery
                   WHERE delivery.endpoint_id = open_endpoint.endpoint_id AND is_claimed AND next_attempt_at_ms > $2
                     AND delivery.id <> ALL ($8)
               ) AS leased
           ), candidate AS (
               SELECT turn.id, turn.due, waiting.endpoint_id, waiting.tenant_id, waiting.is_probe,
                      waiting.under_way + turn.number AS endpoint_turn
               FROM waiting CROSS JOIN LATERAL (
                   SELECT ready.id, ready.due, row_number() OVER (ORDER BY ready.due, ready.id) AS number FROM (
                       SELECT id, next_attempt_at_ms AS due FROM delivery
                       WHERE endpoint_id = waiting.endpoint_id AND state = 1 AND NOT is_behind AND next_attempt_at_ms <= $2
                       ORDER BY next_attempt_at_ms, id LIMIT waiting.free
                   ) AS ready
               ) AS turn
           ), ranked AS (
               SELECT id, due, endpoint_id, is_probe, coalesce(($1::jsonb -> tenant_id)::bigint, 0)
                      + row_number() OVER (PARTITION BY tenant_id ORDER BY endpoint_turn, due, id) AS turn
               FROM candidate
           ), chosen AS (
               SELECT id, endpoint_id, is_probe
               FROM (SELECT *, row_number() OVER (ORDER BY turn, due, id) AS place FROM ranked WHERE turn <= $4) AS placed
               WHERE place <= $3 AND (turn <= $6 OR place <= $3 - $7::bigint)
           ), held AS (
               -- What somebody changes just now is left for the next time. One by one, by id: there is no better way, and LIMIT
               -- hides all others.
               SELECT found.id, found.endpoint_id, found.event_id, is_probe FROM chosen CROSS JOIN LATERAL (
                   SELECT id, endpoint_id, event_id, state, is_behind, next_attempt_at_ms FROM delivery WHERE delivery.id = chosen.id
                   LIMIT 1 FOR UPDATE SKIP LOCKED
               ) AS found
               WHERE found.state = 1 AND NOT found.is_behind AND found.next_attempt_at_ms <= $2
           ), probed AS (
               -- If the probe dies, the next one comes when its lease has ended.
               UPDATE endpoint_health SET next_probe_at_ms = $5
               WHERE next_probe_at_ms <= $2 AND endpoint_id IN (SELECT endpoint_id FROM held WHERE is_probe)
           ), paced AS (
               UPDATE endpoint_pace
               SET next_slot_at_us = greatest(endpoint_pace.next_slot_at_us, $2 * 1000) + taken.count * (1000000 / rate_limit_per_second)
               FROM (SELECT endpoint_id, count(*) AS count FROM held GROUP BY endpoint_id) AS taken
               JOIN endpoint ON endpoint.id = taken.endpoint_id
               WHERE endpoint_pace.endpoint_id = taken.endpoint_id AND rate_limit_per_second IS NOT NULL
           )
           UPDATE delivery SET generation = delivery.generation + 1, next_attempt_at_ms = $5, is_claimed = true
           FROM held JOIN event ON event.id = held.event_id
           WHERE delivery.id = held.id
           RETURNING delivery.id, delivery.endpoint_id, delivery.generation, delivery.step, delivery.attempt_count,
                     delivery.is_replay, delivery.lane, held.is_probe AS "is_probe!", event.id AS event_id, event.tenant_id,
                     event.type AS event_type, event.application_id, event.user_id, event.aggregate_id, event.sequence,
                     event.occurred_at_ms, event.received_at_ms, event.payload, event.traceparent, event.tracestate"#,
        busy(room),
        now.as_ms(),
        number(room.limit),
        number(room.per_tenant),
        lease_until.as_ms(),
        number(room.few),
        number(room.reserved),
        &ended(room) as _,
    )
    .fetch_all(&mut *transaction)
    .await
    .map_err(failed)?;
    if claimed.iter().any(|row| row.lane.is_some()) {
        // Where the order counts, nobody may get the same claim twice.
        sqlx::query!("SET LOCAL synchronous_commit = on").execute(&mut *transaction).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    with_endpoints(pool, claimed).await
}

async fn with_endpoints(pool: &PgPool, claimed: Vec<ClaimedRow>) -> Result<Vec<Claim>, StoreError> {
    if claimed.is_empty() {
        return Ok(Vec::new());
    }
    let mut ids: Vec<String> = claimed.iter().map(|row| row.endpoint_id.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    let rows = sqlx::query_as!(EndpointRow, "SELECT * FROM endpoint WHERE id = ANY($1)", &ids)
        .fetch_all(pool)
        .await
        .map_err(failed)?;
    let endpoints: HashMap<String, Endpoint> =
        rows.into_iter().filter_map(|row| Some((row.id.clone(), readable(row)?))).collect();
    let mut claims = Vec::with_capacity(claimed.len());
    for row in claimed {
        // Deleted between the two statements: its deliveries are being cancelled. One that cannot be read is tried again later.
        let Some(endpoint) = endpoints.get(&row.endpoint_id).cloned() else { continue };
        claims.push(row.into_claim(endpoint)?);
    }
    Ok(claims)
}

impl ClaimedRow {
    fn into_claim(self, endpoint: Endpoint) -> Result<Claim, StoreError> {
        Ok(Claim {
            id: DeliveryId::parse(&self.id).map_err(|error| StoreError::Failed(error.into()))?,
            endpoint,
            generation: self.generation,
            step: self.step.unsigned_abs(),
            attempt_count: self.attempt_count.unsigned_abs(),
            is_probe: self.is_probe,
            is_replay: self.is_replay,
            lane: self.lane,
            event: LoggedEvent {
                id: self.event_id,
                tenant: self.tenant_id,
                event_type: self.event_type,
                application: self.application_id,
                user: self.user_id,
                aggregate: self.aggregate_id,
                sequence: self.sequence.unsigned_abs(),
                occurred_at: Timestamp::from_ms(self.occurred_at_ms),
                received_at: Timestamp::from_ms(self.received_at_ms),
                payload: self.payload,
                trace: TraceContext { traceparent: self.traceparent, tracestate: self.tracestate },
            },
        })
    }
}

/// When the next delivery is due of those that there is room for.
pub(super) async fn next_due(pool: &PgPool, now: Timestamp, room: &Room) -> Result<Option<Timestamp>, StoreError> {
    let due = sqlx::query_scalar!(
        "SELECT min(greatest(next.due, next_probe_at_ms, (next_slot_at_us - early_us + 999) / 1000))
         FROM open_endpoint
         CROSS JOIN LATERAL (
             SELECT count(*) AS count FROM delivery
             WHERE delivery.endpoint_id = open_endpoint.endpoint_id AND is_claimed AND next_attempt_at_ms > $2
               AND delivery.id <> ALL ($4)
         ) AS leased
         CROSS JOIN LATERAL (
             SELECT next_attempt_at_ms AS due FROM delivery
             WHERE endpoint_id = open_endpoint.endpoint_id AND state = 1 AND NOT is_behind
             ORDER BY next_attempt_at_ms LIMIT 1
         ) AS next
         WHERE (next_probe_at_ms IS NOT NULL OR leased.count < max_concurrency)
           AND coalesce(($1::jsonb -> tenant_id)::bigint, 0) < $3",
        busy(room),
        now.as_ms(),
        number(room.per_tenant_now()),
        &ended(room) as _,
    )
    .fetch_one(pool)
    .await
    .map_err(failed)?;
    Ok(due.map(Timestamp::from_ms))
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
