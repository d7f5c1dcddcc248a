//! Endpoints in PostgreSQL.

use sqlx::PgConnection;
use svc_kit::clock::Timestamp;

use super::{PostgresStore, failed, rows::EndpointRow};
use crate::{
    domain::endpoint::{Endpoint, EndpointId},
    ports::{EndpointStore, StoreError},
};

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
        let inserted = sqlx::query!(
            "INSERT INTO endpoint (id, tenant_id, url, description, event_types, application_ids, is_enabled,
                                   disabled_reason, secret, previous_until_ms, created_at_ms, updated_at_ms)
             SELECT $1, $2, $3, $4, $5, $6, true, '', $7, 0, $8, $8
             WHERE (SELECT count(*) FROM endpoint WHERE tenant_id = $2) < $9",
            endpoint.id.as_str(),
            endpoint.tenant,
            endpoint.url,
            endpoint.description,
            &patterns,
            &endpoint.applications,
            endpoint.secrets.current,
            endpoint.created_at.as_ms(),
            max,
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
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

    async fn put_endpoint(&self, endpoint: &Endpoint, seen: Timestamp) -> Result<bool, StoreError> {
        let patterns: Vec<String> = endpoint.event_types.iter().map(|pattern| pattern.as_str().to_owned()).collect();
        let previous = endpoint.secrets.previous.as_ref();
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let updated = sqlx::query!(
            "UPDATE endpoint SET url = $3, description = $4, event_types = $5, application_ids = $6, is_enabled = $7,
                    disabled_reason = $8, secret = $9, previous_secret = $10, previous_until_ms = $11, updated_at_ms = $12
             WHERE id = $1 AND updated_at_ms = $2",
            endpoint.id.as_str(),
            seen.as_ms(),
            endpoint.url,
            endpoint.description,
            &patterns,
            &endpoint.applications,
            endpoint.disabled.is_none(),
            endpoint.disabled.as_deref().unwrap_or_default(),
            endpoint.secrets.current,
            previous.map(|(secret, _)| secret.clone()),
            previous.map_or(0, |(_, until)| until.as_ms()),
            endpoint.updated_at.as_ms(),
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        let is_stored = updated.rows_affected() == 1;
        if is_stored && endpoint.disabled.is_some() {
            cancel_pending(&mut transaction, &endpoint.id).await?;
        }
        transaction.commit().await.map_err(failed)?;
        Ok(is_stored)
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

/// Ends what waits for an endpoint.
pub(super) async fn cancel_pending(connection: &mut PgConnection, id: &EndpointId) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE delivery SET state = 4, next_attempt_at_ms = NULL WHERE endpoint_id = $1 AND state = 1",
        id.as_str()
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}
