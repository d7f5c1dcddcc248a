//! Deliveries: results, lists, and being made again.

use sqlx::{PgConnection, PgPool};
use svc_kit::{clock::Timestamp, outbox};

use super::{
    endpoints::cancel_pending,
    failed, health,
    lanes::{self, Lanes},
    rows::{self, DeliveryRow},
};
use crate::{
    domain::{
        delivery::{Attempt, Delivery, DeliveryId, Phase, Timing},
        endpoint::EndpointId,
    },
    ports::{Claim, DeliveryQuery, Outcome, Redelivered, StoreError, Word},
};

/// Most attempts that are shown of a delivery.
const ATTEMPTS_SHOWN_MAX: i64 = 100;

/// Records a try, if the claim is still ours.
pub(super) async fn record(pool: &PgPool, claim: &Claim, mut outcome: Outcome) -> Result<bool, StoreError> {
    let mut transaction = pool.begin().await.map_err(failed)?;
    // The endpoint and its record before its deliveries, as everybody does who locks both.
    match outcome.word {
        Word::Works => {
            if claim.lane.is_some() {
                health::keep(&mut transaction, &claim.endpoint.id).await?;
            }
            health::forget(&mut transaction, &claim.endpoint.id).await?;
        }
        Word::Nothing if outcome.disable.is_none() && claim.lane.is_none() => {}
        Word::Nothing | Word::Failed(_) => health::lock(&mut transaction, &claim.endpoint.id).await?,
    }
    let lane = claim.lane.as_ref().map(|name| Lanes::one(claim.endpoint.id.as_str(), name)).unwrap_or_default();
    lane.lock(&mut transaction).await?;
    let number = sqlx::query_scalar!(
        "UPDATE delivery SET state = $3, next_attempt_at_ms = $4, attempt_count = attempt_count + 1, step = step + $5,
                generation = generation + 1, is_claimed = false
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
    lane.settle(&mut transaction).await?;
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
        r#"SELECT id, tenant_id, endpoint_id, event_id, event_type, state, created_at_ms, next_attempt_at_ms, attempt_count,
                  is_replay
           FROM delivery
           WHERE tenant_id = $1
             AND ($2::text IS NULL OR endpoint_id = $2) AND ($3::smallint IS NULL OR state = $3)
             AND (created_at_ms, id) < ($4, $5)
           ORDER BY created_at_ms DESC, id DESC LIMIT $6"#,
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
        r#"SELECT id, tenant_id, endpoint_id, event_id, event_type, state, created_at_ms, next_attempt_at_ms, attempt_count,
                  is_replay
           FROM delivery WHERE id = $1"#,
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
pub(super) async fn redeliver(pool: &PgPool, id: &DeliveryId, now: Timestamp) -> Result<Redelivered, StoreError> {
    let mut transaction = pool.begin().await.map_err(failed)?;
    // Both locked until the delivery is due: the endpoint against being disabled or deleted, the event against being removed.
    let endpoint = sqlx::query!(
        "SELECT endpoint.id, is_ordered FROM delivery JOIN endpoint ON endpoint.id = endpoint_id AND is_enabled
         WHERE delivery.id = $1 FOR SHARE OF endpoint",
        id.as_str()
    )
    .fetch_optional(&mut *transaction)
    .await
    .map_err(failed)?;
    let Some(endpoint) = endpoint else { return Ok(Redelivered::EndpointGone) };
    let event = sqlx::query!(
        r#"SELECT aggregate_id, CASE WHEN sequence > 0 THEN sequence ELSE position END AS "place!"
           FROM delivery JOIN event ON event.id = event_id WHERE delivery.id = $1 FOR KEY SHARE OF event"#,
        id.as_str()
    )
    .fetch_optional(&mut *transaction)
    .await
    .map_err(failed)?;
    let Some(event) = event else { return Ok(Redelivered::EventGone) };
    let lane = Lanes::one(&endpoint.id, &event.aggregate_id);
    lane.lock(&mut transaction).await?;
    sqlx::query!(
        "UPDATE delivery SET state = 1, next_attempt_at_ms = $2, step = 0, generation = generation + 1, is_claimed = false,
                lane = CASE WHEN state = 1 THEN lane ELSE $3 END, lane_place = $4,
                is_behind = CASE WHEN state = 1 THEN lane ELSE $3 END IS NOT NULL
         WHERE id = $1",
        id.as_str(),
        now.as_ms(),
        lanes::of(endpoint.is_ordered, &event.aggregate_id),
        event.place,
    )
    .execute(&mut *transaction)
    .await
    .map_err(failed)?;
    lane.settle(&mut transaction).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(Redelivered::Done)
}
