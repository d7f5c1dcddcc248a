//! Deliveries: claims, results, lists.

use std::collections::HashMap;

use sqlx::{PgConnection, PgPool};
use svc_kit::{clock::Timestamp, outbox, telemetry::TraceContext};

use super::{
    endpoints::cancel_pending,
    failed, health,
    rows::{self, DeliveryRow, EndpointRow},
};
use crate::{
    domain::{
        delivery::{Attempt, Delivery, DeliveryId, Phase, Timing},
        endpoint::{Endpoint, EndpointId},
    },
    ports::{Claim, DeliveryQuery, LoggedEvent, Outcome, Room, StoreError, Word},
};

/// Most attempts that are shown of a delivery.
const ATTEMPTS_SHOWN_MAX: i64 = 100;

/// How much may be claimed, as the statements take it.
struct Busy {
    endpoints: Vec<String>,
    counts: Vec<i32>,
    per_endpoint: i32,
}

impl Busy {
    fn new(room: &Room) -> Self {
        Self {
            endpoints: room.in_flight.iter().map(|(endpoint, _)| endpoint.to_string()).collect(),
            counts: room.in_flight.iter().map(|(_, under_way)| number(*under_way)).collect(),
            per_endpoint: number(room.per_endpoint),
        }
    }
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Claims due deliveries. A turn is the number of attempts that a tenant, or an endpoint within it, has under way when it
/// gets one more: lower turns come first, so the backlog of one holds up none of the others.
pub(super) async fn claim(
    pool: &PgPool,
    now: Timestamp,
    lease_until: Timestamp,
    room: &Room,
) -> Result<Vec<Claim>, StoreError> {
    let busy = Busy::new(room);
    let mut transaction = pool.begin().await.map_err(failed)?;
    let claimed = sqlx::query!(
        r#"WITH busy AS (
               SELECT endpoint_id, tenant_id, count
               FROM unnest($1::text[], $2::integer[]) AS busy (endpoint_id, count) JOIN endpoint ON endpoint.id = endpoint_id
           ), waiting AS (
               SELECT open_endpoint.endpoint_id, open_endpoint.tenant_id, coalesce(busy.count, 0) AS under_way,
                      next_probe_at_ms IS NOT NULL AS is_probe,
                      CASE WHEN next_probe_at_ms IS NULL THEN greatest($3 - coalesce(busy.count, 0), 0)
                           WHEN next_probe_at_ms <= $4 THEN 1 ELSE 0 END AS free
               FROM open_endpoint LEFT JOIN busy USING (endpoint_id)
           ), candidate AS (
               SELECT turn.id, turn.due, waiting.endpoint_id, waiting.tenant_id, waiting.is_probe,
                      waiting.under_way + turn.number AS endpoint_turn
               FROM waiting CROSS JOIN LATERAL (
                   SELECT locked.id, locked.due, row_number() OVER (ORDER BY locked.due, locked.id) AS number FROM (
                       SELECT id, next_attempt_at_ms AS due FROM delivery
                       WHERE endpoint_id = waiting.endpoint_id AND state = 1 AND next_attempt_at_ms <= $4
                       ORDER BY next_attempt_at_ms, id LIMIT waiting.free FOR UPDATE SKIP LOCKED
                   ) AS locked
               ) AS turn
           ), ranked AS (
               SELECT candidate.id, candidate.due, candidate.endpoint_id, candidate.is_probe, coalesce(of_tenant.under_way, 0)
                      + row_number() OVER (PARTITION BY candidate.tenant_id ORDER BY endpoint_turn, due, candidate.id) AS turn
               FROM candidate
               LEFT JOIN (SELECT tenant_id, sum(count) AS under_way FROM busy GROUP BY tenant_id) AS of_tenant
                   USING (tenant_id)
           ), chosen AS (
               SELECT id, endpoint_id, is_probe FROM ranked WHERE turn <= $7 ORDER BY turn, due, id LIMIT $5
           ), probed AS (
               -- If the probe dies, the next one comes when its lease has ended.
               UPDATE endpoint_health SET next_probe_at_ms = $6
               WHERE next_probe_at_ms <= $4 AND endpoint_id IN (SELECT endpoint_id FROM chosen WHERE is_probe)
           )
           UPDATE delivery SET generation = delivery.generation + 1, next_attempt_at_ms = $6
           FROM chosen JOIN delivery AS before USING (id) JOIN event ON event.id = before.event_id
           WHERE delivery.id = chosen.id
           RETURNING delivery.id, delivery.endpoint_id, delivery.generation, delivery.step, delivery.attempt_count,
                     delivery.is_replay, event.user_id,
                     event.id AS event_id, event.tenant_id, event.type AS event_type, event.application_id,
                     event.occurred_at_ms, event.received_at_ms, event.payload, event.traceparent, event.tracestate,
                     event.aggregate_id, chosen.is_probe AS "is_probe!""#,
        &busy.endpoints,
        &busy.counts,
        busy.per_endpoint,
        now.as_ms(),
        i64::try_from(room.limit).unwrap_or(i64::MAX),
        lease_until.as_ms(),
        i64::try_from(room.per_tenant).unwrap_or(i64::MAX),
    )
    .fetch_all(&mut *transaction)
    .await
    .map_err(failed)?;
    let ids: Vec<String> = claimed.iter().map(|row| row.endpoint_id.clone()).collect();
    let endpoint_rows = sqlx::query_as!(EndpointRow, "SELECT * FROM endpoint WHERE id = ANY($1)", &ids)
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    let endpoints: HashMap<String, Endpoint> = endpoint_rows
        .into_iter()
        .map(|row| Ok((row.id.clone(), Endpoint::try_from(row)?)))
        .collect::<Result<_, StoreError>>()?;
    let mut claims = Vec::with_capacity(claimed.len());
    for row in claimed {
        // Deleted between the two statements: its deliveries are being cancelled.
        let Some(endpoint) = endpoints.get(&row.endpoint_id).cloned() else { continue };
        claims.push(Claim {
            id: DeliveryId::parse(&row.id).map_err(|error| StoreError::Failed(error.into()))?,
            endpoint,
            generation: row.generation,
            step: row.step.unsigned_abs(),
            attempt_count: row.attempt_count.unsigned_abs(),
            is_probe: row.is_probe,
            is_replay: row.is_replay,
            event: LoggedEvent {
                id: row.event_id,
                tenant: row.tenant_id,
                event_type: row.event_type,
                application: row.application_id,
                user: row.user_id,
                aggregate: row.aggregate_id,
                occurred_at: Timestamp::from_ms(row.occurred_at_ms),
                received_at: Timestamp::from_ms(row.received_at_ms),
                payload: row.payload,
                trace: TraceContext { traceparent: row.traceparent, tracestate: row.tracestate },
            },
        });
    }
    Ok(claims)
}

/// When the next delivery is due of those that there is room for.
pub(super) async fn next_due(pool: &PgPool, room: &Room) -> Result<Option<Timestamp>, StoreError> {
    let busy = Busy::new(room);
    let due = sqlx::query_scalar!(
        "SELECT min(greatest(next.due, next_probe_at_ms)) FROM open_endpoint
         LEFT JOIN unnest($1::text[], $2::integer[]) AS busy (endpoint_id, count) USING (endpoint_id)
         CROSS JOIN LATERAL (
             SELECT next_attempt_at_ms AS due FROM delivery
             WHERE endpoint_id = open_endpoint.endpoint_id AND state = 1 ORDER BY next_attempt_at_ms LIMIT 1
         ) AS next
         WHERE coalesce(busy.count, 0) < $3",
        &busy.endpoints,
        &busy.counts,
        busy.per_endpoint,
    )
    .fetch_one(pool)
    .await
    .map_err(failed)?;
    Ok(due.map(Timestamp::from_ms))
}

/// Records a try, if the claim is still ours.
pub(super) async fn record(pool: &PgPool, claim: &Claim, mut outcome: Outcome) -> Result<bool, StoreError> {
    let mut transaction = pool.begin().await.map_err(failed)?;
    // The endpoint and its record before its deliveries, as everybody does who locks both.
    match outcome.word {
        Word::Works => health::forget(&mut transaction, &claim.endpoint.id).await?,
        Word::Nothing if outcome.disable.is_none() => {}
        Word::Nothing | Word::Failed(_) => health::lock(&mut transaction, &claim.endpoint.id).await?,
    }
    let number = sqlx::query_scalar!(
        "UPDATE delivery SET state = $3, next_attempt_at_ms = $4, attempt_count = attempt_count + 1, step = step + $5,
                generation = generation + 1
         WHERE id = $1 AND generation = $2 AND state = 1 RETURNING attempt_count",
        claim.id.as_str(),
        claim.generation,
        rows::state(outcome.state),
        outcome.next_attempt_at.map(Timestamp::as_ms),
        i32::from(outcome.is_step),
    )
    .fetch_optional(&mut *transaction)
    .await
    .map_err(failed)?;
    let Some(number) = number else { return Ok(false) };
    add_attempt(&mut transaction, claim, number, &outcome.attempt).await?;
    if let Word::Failed(judge) = outcome.word.clone() {
        let judgement = health::judge(&mut transaction, &claim.endpoint.id, &judge, outcome.attempt.at).await?;
        outcome.disable = outcome.disable.or(judgement.disable);
        outcome.events.extend(judgement.events);
    }
    if let Some(reason) = outcome.disable {
        disable(&mut transaction, &claim.endpoint.id, reason).await?;
    }
    for event in &outcome.events {
        outbox::postgres::insert(&mut transaction, event).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(true)
}

async fn add_attempt(
    connection: &mut PgConnection,
    claim: &Claim,
    number: i32,
    attempt: &Attempt,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO attempt (delivery_id, number, at_ms, verdict, status_code, duration_ms, response, endpoint_id,
                              failed_in, detail, dns_ms, connect_ms, tls_ms, first_byte_ms, body_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        claim.id.as_str(),
        number,
        attempt.at.as_ms(),
        attempt.verdict,
        i32::from(attempt.status_code),
        millis(attempt.duration_ms),
        attempt.response,
        claim.endpoint.id.as_str(),
        attempt.failed_in.map_or("", Phase::name),
        attempt.detail,
        attempt.timing.dns_ms.map(millis),
        attempt.timing.connect_ms.map(millis),
        attempt.timing.tls_ms.map(millis),
        attempt.timing.first_byte_ms.map(millis),
        attempt.timing.body_ms.map(millis),
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

fn millis(took_ms: u32) -> i32 {
    i32::try_from(took_ms).unwrap_or(i32::MAX)
}

async fn disable(connection: &mut PgConnection, id: &EndpointId, reason: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE endpoint SET is_enabled = false, disabled_reason = $2, paused_at_ms = NULL,
                updated_at_ms = updated_at_ms + 1 WHERE id = $1",
        id.as_str(),
        reason,
    )
    .execute(&mut *connection)
    .await
    .map_err(failed)?;
    health::forget(connection, id).await?;
    cancel_pending(connection, id).await
}

/// Lists deliveries, newest first.
pub(super) async fn list(pool: &PgPool, query: &DeliveryQuery) -> Result<Vec<Delivery>, StoreError> {
    let (before_ms, before_id) = match &query.after {
        Some((at, id)) => (at.as_ms(), id.to_string()),
        None => (i64::MAX, String::new()),
    };
    let rows = sqlx::query_as!(
        DeliveryRow,
        r#"SELECT delivery.id, delivery.tenant_id, endpoint_id, event_id, event.type AS event_type, state, created_at_ms,
                  next_attempt_at_ms, attempt_count, is_replay
           FROM delivery JOIN event ON event.id = event_id
           WHERE delivery.tenant_id = $1
             AND ($2::text IS NULL OR endpoint_id = $2) AND ($3::smallint IS NULL OR state = $3)
             AND (created_at_ms, delivery.id) < ($4, $5)
           ORDER BY created_at_ms DESC, delivery.id DESC LIMIT $6"#,
        query.tenant,
        query.endpoint.as_ref().map(EndpointId::as_str),
        query.state.map(rows::state),
        before_ms,
        before_id,
        i64::try_from(query.limit).unwrap_or(i64::MAX),
    )
    .fetch_all(pool)
    .await
    .map_err(failed)?;
    rows.into_iter().map(Delivery::try_from).collect()
}

/// Returns a delivery and its attempts.
pub(super) async fn get(pool: &PgPool, id: &DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>, StoreError> {
    let row = sqlx::query_as!(
        DeliveryRow,
        r#"SELECT delivery.id, delivery.tenant_id, endpoint_id, event_id, event.type AS event_type, state, created_at_ms,
                  next_attempt_at_ms, attempt_count, is_replay
           FROM delivery JOIN event ON event.id = event_id WHERE delivery.id = $1"#,
        id.as_str()
    )
    .fetch_optional(pool)
    .await
    .map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    let attempts = sqlx::query!(
        "SELECT at_ms, verdict, status_code, duration_ms, response, failed_in, detail, dns_ms, connect_ms, tls_ms,
                first_byte_ms, body_ms FROM attempt
         WHERE delivery_id = $1 ORDER BY number LIMIT $2",
        id.as_str(),
        ATTEMPTS_SHOWN_MAX
    )
    .fetch_all(pool)
    .await
    .map_err(failed)?;
    let attempts: Vec<Attempt> = attempts
        .into_iter()
        .map(|row| Attempt {
            at: Timestamp::from_ms(row.at_ms),
            verdict: row.verdict,
            status_code: u16::try_from(row.status_code).unwrap_or(0),
            duration_ms: row.duration_ms.unsigned_abs(),
            timing: Timing {
                dns_ms: row.dns_ms.map(i32::unsigned_abs),
                connect_ms: row.connect_ms.map(i32::unsigned_abs),
                tls_ms: row.tls_ms.map(i32::unsigned_abs),
                first_byte_ms: row.first_byte_ms.map(i32::unsigned_abs),
                body_ms: row.body_ms.map(i32::unsigned_abs),
            },
            failed_in: Phase::parse(&row.failed_in),
            detail: row.detail,
            response: row.response,
        })
        .collect();
    Ok(Some((Delivery::try_from(row)?, attempts)))
}

/// Makes a delivery due now; a try that is under way no longer counts.
pub(super) async fn redeliver(pool: &PgPool, id: &DeliveryId, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE delivery SET state = 1, next_attempt_at_ms = $2, step = 0, generation = generation + 1 WHERE id = $1",
        id.as_str(),
        now.as_ms()
    )
    .execute(pool)
    .await
    .map_err(failed)?;
    Ok(())
}
