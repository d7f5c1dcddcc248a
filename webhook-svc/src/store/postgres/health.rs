//! How endpoints are doing: a row while one fails.

use sqlx::{PgConnection, PgPool};
use svc_kit::clock::Timestamp;

use super::failed;
use crate::{
    domain::{
        delivery::{Attempt, Timing},
        endpoint::EndpointId,
        health::{Health, OpenBreaker, OpenReason, RATED_MAX, Recent, WINDOW},
    },
    ports::{EndpointReport, Judge, Judgement, ReportBounds, StoreError},
};

/// Keeps everybody else from changing an endpoint and its record until the transaction ends.
pub(super) async fn lock(connection: &mut PgConnection, id: &EndpointId) -> Result<(), StoreError> {
    sqlx::query!("SELECT id FROM endpoint WHERE id = $1 FOR UPDATE", id.as_str())
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

/// Keeps an endpoint from being disabled or deleted until the transaction ends.
pub(super) async fn keep(connection: &mut PgConnection, id: &EndpointId) -> Result<(), StoreError> {
    sqlx::query!("SELECT id FROM endpoint WHERE id = $1 FOR SHARE", id.as_str())
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

/// Has a failure of `at` judged, and keeps what the judge says.
pub(super) async fn judge(
    connection: &mut PgConnection,
    id: &EndpointId,
    judge: &Judge,
    at: Timestamp,
) -> Result<Judgement, StoreError> {
    let before = get(&mut *connection, id).await?;
    let recent = recent(&mut *connection, id, at.saturating_sub(WINDOW)).await?;
    let judgement = judge.0(before, recent);
    put(connection, id, &judgement.health).await?;
    Ok(judgement)
}

/// Ends the record of failures.
pub(super) async fn forget(connection: &mut PgConnection, id: &EndpointId) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM endpoint_health WHERE endpoint_id = $1", id.as_str())
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}

async fn get(connection: &mut PgConnection, id: &EndpointId) -> Result<Option<Health>, StoreError> {
    let row = sqlx::query!(
        "SELECT failing_since_ms, failures_in_a_row, warnings, open_reason, next_probe_at_ms, probes
         FROM endpoint_health WHERE endpoint_id = $1",
        id.as_str()
    )
    .fetch_optional(connection)
    .await
    .map_err(failed)?;
    Ok(row.map(|row| Health {
        failing_since: Timestamp::from_ms(row.failing_since_ms),
        failures_in_a_row: row.failures_in_a_row.unsigned_abs(),
        warnings: u8::try_from(row.warnings).unwrap_or(u8::MAX),
        open: OpenReason::parse(&row.open_reason).zip(row.next_probe_at_ms).map(|(reason, next_probe_at_ms)| {
            OpenBreaker {
                reason,
                next_probe_at: Timestamp::from_ms(next_probe_at_ms),
                probes: row.probes.unsigned_abs(),
            }
        }),
    }))
}

async fn put(connection: &mut PgConnection, id: &EndpointId, health: &Health) -> Result<(), StoreError> {
    let open = health.open.as_ref();
    sqlx::query!(
        "INSERT INTO endpoint_health (endpoint_id, failing_since_ms, failures_in_a_row, warnings, open_reason,
                                      next_probe_at_ms, probes)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (endpoint_id) DO UPDATE SET failing_since_ms = $2, failures_in_a_row = $3, warnings = $4,
             open_reason = $5, next_probe_at_ms = $6, probes = $7",
        id.as_str(),
        health.failing_since.as_ms(),
        i32::try_from(health.failures_in_a_row).unwrap_or(i32::MAX),
        i16::from(health.warnings),
        open.map_or("", |open| open.reason.name()),
        open.map(|open| open.next_probe_at.as_ms()),
        open.map_or(0, |open| i32::try_from(open.probes).unwrap_or(i32::MAX)),
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

async fn recent(connection: &mut PgConnection, id: &EndpointId, since: Timestamp) -> Result<Recent, StoreError> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "attempts!", count(*) FILTER (WHERE verdict <> 'OK') AS "failures!"
           FROM (SELECT verdict FROM attempt WHERE endpoint_id = $1 AND at_ms >= $2 AND verdict NOT IN ('OURS', 'MOOT')
                 ORDER BY at_ms DESC LIMIT $3) AS newest"#,
        id.as_str(),
        since.as_ms(),
        i64::try_from(RATED_MAX).unwrap_or(i64::MAX),
    )
    .fetch_one(connection)
    .await
    .map_err(failed)?;
    let number = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(Recent { attempts: number(row.attempts), failures: number(row.failures) })
}

/// Returns how an endpoint is doing.
pub(super) async fn report(pool: &PgPool, id: &EndpointId, bounds: ReportBounds) -> Result<EndpointReport, StoreError> {
    let mut connection = pool.acquire().await.map_err(failed)?;
    let health = get(&mut connection, id).await?;
    let attempts = sqlx::query!(
        "SELECT at_ms, verdict, status_code, duration_ms FROM attempt
         WHERE endpoint_id = $1 AND at_ms >= $2 AND verdict NOT IN ('OURS', 'MOOT') ORDER BY at_ms DESC LIMIT $3",
        id.as_str(),
        bounds.since.as_ms(),
        i64::try_from(bounds.attempts).unwrap_or(i64::MAX),
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(failed)?;
    let attempts = attempts.into_iter().map(|row| Attempt {
        at: Timestamp::from_ms(row.at_ms),
        verdict: row.verdict,
        status_code: u16::try_from(row.status_code).unwrap_or(0),
        duration_ms: row.duration_ms.unsigned_abs(),
        timing: Timing::default(),
        failed_in: None,
        detail: String::new(),
        response: String::new(),
    });
    let backlog = sqlx::query!(
        r#"SELECT count(*) AS "count!", min(created_at_ms) AS oldest FROM (
               SELECT created_at_ms FROM delivery WHERE endpoint_id = $1 AND state = 1
               ORDER BY is_behind, next_attempt_at_ms LIMIT $2
           ) AS waiting"#,
        id.as_str(),
        i64::try_from(bounds.backlog).unwrap_or(i64::MAX),
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    Ok(EndpointReport {
        health,
        attempts: attempts.collect(),
        backlog: usize::try_from(backlog.count).unwrap_or(0),
        oldest_waiting_at: backlog.oldest.map(Timestamp::from_ms),
    })
}
