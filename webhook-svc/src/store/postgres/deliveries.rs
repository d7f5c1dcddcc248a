//! Deliveries: lists, and being made again.

use sqlx::PgPool;
use svc_kit::clock::Timestamp;

use super::{
    failed,
    lanes::{self, Lanes},
    rows::{self, DeliveryRow},
};
use crate::{
    domain::{
        delivery::{Attempt, Delivery, DeliveryId, Phase, Timing},
        endpoint::EndpointId,
    },
    ports::{DeliveryQuery, Redelivered, StoreError},
};

/// Most attempts that are shown of a delivery.
const ATTEMPTS_SHOWN_MAX: i64 = 100;

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
