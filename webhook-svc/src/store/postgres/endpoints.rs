//! Endpoints in PostgreSQL.

use sqlx::PgConnection;
use svc_kit::clock::Timestamp;

use super::{
    PostgresStore, failed, health, intake, managed, manner,
    rows::{self, EndpointRow},
};
use crate::{
    domain::{
        endpoint::{DrainRate, Endpoint, EndpointId},
        logout::LogoutAddress,
    },
    ports::{EndpointReport, EndpointStore, ReportBounds, StoreError},
};

/// Most deliveries that get their times in one transaction when an endpoint is resumed.
const SPACED_MAX: i64 = 10_000;

impl EndpointStore for PostgresStore {
    async fn add_endpoint(&self, endpoint: &Endpoint, max: usize) -> Result<bool, StoreError> {
        let patterns: Vec<String> = endpoint.event_types.iter().map(|pattern| pattern.as_str().to_owned()).collect();
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        // Two that add at once would both count one too few.
        sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", endpoint.tenant)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        // What is logged from now on is matched with this endpoint, and nothing before.
        intake::lock_tenants(&mut transaction, [endpoint.tenant.as_str()]).await?;
        let inserted = sqlx::query!(
            "INSERT INTO endpoint (id, tenant_id, url, description, event_types, application_ids, is_enabled,
                                   disabled_reason, secret, previous_until_ms, created_at_ms, updated_at_ms,
                                   max_concurrency, rate_limit_per_second, is_ordered, matches_after)
             SELECT $1, $2, $3, $4, $5, $6, true, '', $7, 0, $8, $8, $10, $11, $12,
                    (SELECT coalesce(max(position), 0) FROM event WHERE tenant_id = $2)
             WHERE (SELECT count(*) FROM endpoint WHERE tenant_id = $2 AND kind = 1) < $9",
            endpoint.id.as_str(),
            endpoint.tenant,
            endpoint.url,
            endpoint.description,
            &patterns,
            &endpoint.applications,
            manner::secret(endpoint),
            endpoint.created_at.as_ms(),
            max,
            rows::concurrency(endpoint.limits),
            rows::rate(endpoint.limits),
            endpoint.is_ordered,
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        if inserted.rows_affected() == 1 {
            pace(&mut transaction, endpoint).await?;
            manner::write(&mut transaction, endpoint).await?;
        }
        transaction.commit().await.map_err(failed)?;
        Ok(inserted.rows_affected() == 1)
    }

    async fn endpoint(&self, id: &EndpointId) -> Result<Option<Endpoint>, StoreError> {
        let row = sqlx::query_as!(EndpointRow, "SELECT * FROM endpoint WHERE id = $1", id.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed)?;
        row.map(Endpoint::try_from).transpose()
    }

    async fn endpoints(
        &self,
        tenant: &str,
        after: Option<&EndpointId>,
        limit: usize,
    ) -> Result<Vec<Endpoint>, StoreError> {
        let rows = sqlx::query_as!(
            EndpointRow,
            "SELECT * FROM endpoint WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3",
            tenant,
            after.map_or("", EndpointId::as_str),
            i64::try_from(limit).unwrap_or(i64::MAX),
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        rows.into_iter().map(Endpoint::try_from).collect()
    }

    async fn webhook_endpoints(&self, tenant: &str, limit: usize) -> Result<Vec<Endpoint>, StoreError> {
        let rows = sqlx::query_as!(
            EndpointRow,
            "SELECT * FROM endpoint WHERE tenant_id = $1 AND kind = 1 AND is_enabled ORDER BY id LIMIT $2",
            tenant,
            i64::try_from(limit).unwrap_or(i64::MAX),
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        rows.into_iter().map(Endpoint::try_from).collect()
    }

    async fn put_endpoint(&self, endpoint: &Endpoint, seen: Timestamp) -> Result<bool, StoreError> {
        let patterns: Vec<String> = endpoint.event_types.iter().map(|pattern| pattern.as_str().to_owned()).collect();
        let previous = manner::previous_secret(endpoint);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        // What is logged from now on is matched with the new filter, and nothing before. Before the endpoint, as the intake does.
        intake::lock_tenants(&mut transaction, [endpoint.tenant.as_str()]).await?;
        health::lock(&mut transaction, &endpoint.id).await?;
        // Whatever failed there says nothing about a new address, or about another start.
        sqlx::query!(
            "DELETE FROM endpoint_health USING endpoint
             WHERE endpoint_id = $1 AND endpoint.id = $1 AND (endpoint.url <> $2 OR $3)",
            endpoint.id.as_str(),
            endpoint.url,
            endpoint.disabled.is_some(),
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        let updated = sqlx::query!(
            "UPDATE endpoint SET url = $3, description = $4, event_types = $5, application_ids = $6, is_enabled = $7,
                    disabled_reason = $8, secret = $9, previous_secret = $10, previous_until_ms = $11, updated_at_ms = $12,
                    paused_at_ms = $13, max_concurrency = $14, rate_limit_per_second = $15,
                    is_ordered = $16,
                    matches_after = CASE WHEN (event_types, application_ids, is_enabled) = ($5, $6, $7) THEN matches_after
                        ELSE (SELECT coalesce(max(position), 0) FROM event WHERE event.tenant_id = endpoint.tenant_id) END
             WHERE id = $1 AND updated_at_ms = $2",
            endpoint.id.as_str(),
            seen.as_ms(),
            endpoint.url,
            endpoint.description,
            &patterns,
            &endpoint.applications,
            endpoint.disabled.is_none(),
            endpoint.disabled.as_deref().unwrap_or_default(),
            manner::secret(endpoint),
            previous.map(|(secret, _)| secret.clone()),
            previous.map_or(0, |(_, until)| until.as_ms()),
            endpoint.updated_at.as_ms(),
            endpoint.paused_at.map(Timestamp::as_ms),
            rows::concurrency(endpoint.limits),
            rows::rate(endpoint.limits),
            endpoint.is_ordered,
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        if updated.rows_affected() == 0 {
            return Ok(false);
        }
        pace(&mut transaction, endpoint).await?;
        manner::write(&mut transaction, endpoint).await?;
        if endpoint.disabled.is_some() {
            cancel_pending(&mut transaction, &endpoint.id).await?;
        }
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }

    async fn resume_endpoint(
        &self,
        endpoint: &Endpoint,
        seen: Timestamp,
        now: Timestamp,
        per_second: DrainRate,
    ) -> Result<bool, StoreError> {
        let mut spaced = 0;
        loop {
            let mut transaction = self.pool.begin().await.map_err(failed)?;
            // Keeps new deliveries out until this step is stored: the last step leaves nothing behind.
            let locked = sqlx::query!(
                "SELECT id FROM endpoint WHERE id = $1 AND updated_at_ms = $2 FOR UPDATE",
                endpoint.id.as_str(),
                seen.as_ms(),
            )
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed)?;
            if locked.is_none() {
                return Ok(false);
            }
            let step = space_out(&mut transaction, &endpoint.id, now, per_second, spaced).await?;
            let is_last = step < SPACED_MAX.unsigned_abs();
            if is_last {
                sqlx::query!(
                    "UPDATE endpoint SET paused_at_ms = NULL, updated_at_ms = $2 WHERE id = $1",
                    endpoint.id.as_str(),
                    endpoint.updated_at.as_ms(),
                )
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
            }
            transaction.commit().await.map_err(failed)?;
            if is_last {
                return Ok(true);
            }
            spaced += step;
        }
    }

    async fn put_logout_address(&self, address: &LogoutAddress) -> Result<(), StoreError> {
        managed::put(&self.pool, address).await
    }

    async fn report(&self, id: &EndpointId, bounds: ReportBounds) -> Result<EndpointReport, StoreError> {
        health::report(&self.pool, id, bounds).await
    }

    async fn delete_endpoint(&self, id: &EndpointId) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let deleted = sqlx::query!("DELETE FROM endpoint WHERE id = $1", id.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        cancel_pending(&mut transaction, id).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(deleted.rows_affected() == 1)
    }
}

/// Makes the record of an endpoint's slots, if it has a rate. Not when the first is taken: who claims must not wait for those
/// who lock the endpoint.
async fn pace(connection: &mut PgConnection, endpoint: &Endpoint) -> Result<(), StoreError> {
    if endpoint.limits.rate.is_some() {
        sqlx::query!(
            "INSERT INTO endpoint_pace (endpoint_id, next_slot_at_us) VALUES ($1, 0) ON CONFLICT DO NOTHING",
            endpoint.id.as_str(),
        )
        .execute(connection)
        .await
        .map_err(failed)?;
    }
    Ok(())
}

/// Gives overdue deliveries their times, one after the other and after the `before` that have theirs; returns how many.
async fn space_out(
    connection: &mut PgConnection,
    id: &EndpointId,
    now: Timestamp,
    per_second: DrainRate,
    before: u64,
) -> Result<u64, StoreError> {
    let spaced = sqlx::query!(
        "UPDATE delivery SET is_claimed = false,
                next_attempt_at_ms = $2 + (($3::bigint + place.number) * 1000 + $4::bigint - 1) / $4
         FROM (SELECT overdue.id, row_number() OVER (ORDER BY next_attempt_at_ms, lane_place, overdue.id) AS number
               FROM ((SELECT id, next_attempt_at_ms, lane_place FROM delivery
                      WHERE endpoint_id = $1 AND state = 1 AND NOT is_behind AND next_attempt_at_ms <= $2
                      ORDER BY next_attempt_at_ms, lane_place, id LIMIT $5)
                     UNION ALL
                     (SELECT id, next_attempt_at_ms, lane_place FROM delivery
                      WHERE endpoint_id = $1 AND state = 1 AND is_behind AND next_attempt_at_ms <= $2
                      ORDER BY next_attempt_at_ms, lane_place, id LIMIT $5)
                     ORDER BY next_attempt_at_ms, lane_place, id LIMIT $5) AS overdue) AS place
         WHERE delivery.id = place.id",
        id.as_str(),
        now.as_ms(),
        i64::try_from(before).unwrap_or(i64::MAX),
        i64::from(per_second.per_second()),
        SPACED_MAX,
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(spaced.rows_affected())
}

/// Ends what waits for an endpoint.
pub(super) async fn cancel_pending(connection: &mut PgConnection, id: &EndpointId) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE delivery SET state = 4, next_attempt_at_ms = NULL, is_claimed = false, is_behind = false
         WHERE endpoint_id = $1 AND state = 1",
        id.as_str()
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}
