//! Endpoints that follow the configuration of applications.

use sqlx::{PgConnection, PgPool};
use svc_kit::clock::Timestamp;

use super::{endpoints::cancel_pending, failed, health, intake, rows};
use crate::{
    domain::{
        endpoint::{Endpoint, EndpointId},
        logout::LogoutAddress,
    },
    ports::StoreError,
};

/// Makes the endpoint of an application follow its address, unless what is stored is newer.
pub(super) async fn put(pool: &PgPool, address: &LogoutAddress) -> Result<(), StoreError> {
    let endpoint = address.endpoint();
    let mut transaction = pool.begin().await.map_err(failed)?;
    // Two that make the first one at once would both find none.
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", endpoint.id.as_str())
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    // What is logged from now on is matched with the endpoint as it becomes, and nothing before.
    intake::lock_tenants(&mut transaction, [address.tenant.as_str()]).await?;
    match since(&mut transaction, &endpoint.id).await? {
        Some(known) if known > address.at => return Ok(()),
        None if address.url.is_none() => return Ok(()),
        None => insert(&mut transaction, &endpoint).await?,
        Some(_) => update(&mut transaction, &endpoint).await?,
    }
    sqlx::query!(
        "INSERT INTO managed_endpoint (endpoint_id, at_ms) VALUES ($1, $2)
         ON CONFLICT (endpoint_id) DO UPDATE SET at_ms = $2",
        endpoint.id.as_str(),
        address.at.as_ms(),
    )
    .execute(&mut *transaction)
    .await
    .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(())
}

/// When the application became what its endpoint follows.
async fn since(connection: &mut PgConnection, id: &EndpointId) -> Result<Option<Timestamp>, StoreError> {
    let at = sqlx::query_scalar!("SELECT at_ms FROM managed_endpoint WHERE endpoint_id = $1", id.as_str())
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    Ok(at.map(Timestamp::from_ms))
}

async fn insert(connection: &mut PgConnection, endpoint: &Endpoint) -> Result<(), StoreError> {
    let patterns: Vec<String> = endpoint.event_types.iter().map(|pattern| pattern.as_str().to_owned()).collect();
    sqlx::query!(
        "INSERT INTO endpoint (id, tenant_id, url, description, event_types, application_ids, is_enabled,
                               disabled_reason, secret, previous_until_ms, created_at_ms, updated_at_ms, kind, matches_after)
         VALUES ($1, $2, $3, $4, $5, $6, true, '', '', 0, $7, $7, $8,
                 (SELECT coalesce(max(position), 0) FROM event WHERE tenant_id = $2))",
        endpoint.id.as_str(),
        endpoint.tenant,
        endpoint.url,
        endpoint.description,
        &patterns,
        &endpoint.applications,
        endpoint.created_at.as_ms(),
        rows::kind(endpoint.kind),
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

async fn update(connection: &mut PgConnection, endpoint: &Endpoint) -> Result<(), StoreError> {
    health::lock(connection, &endpoint.id).await?;
    // Whatever failed there says nothing about a new address.
    sqlx::query!(
        "DELETE FROM endpoint_health USING endpoint WHERE endpoint_id = $1 AND endpoint.id = $1 AND endpoint.url <> $2",
        endpoint.id.as_str(),
        endpoint.url,
    )
    .execute(&mut *connection)
    .await
    .map_err(failed)?;
    sqlx::query!(
        "UPDATE endpoint SET url = $2, is_enabled = $3, disabled_reason = $4, updated_at_ms = greatest(updated_at_ms + 1, $5),
                matches_after = CASE WHEN is_enabled = $3 THEN matches_after
                    ELSE (SELECT coalesce(max(position), 0) FROM event WHERE event.tenant_id = endpoint.tenant_id) END
         WHERE id = $1",
        endpoint.id.as_str(),
        endpoint.url,
        endpoint.disabled.is_none(),
        endpoint.disabled.as_deref().unwrap_or_default(),
        endpoint.updated_at.as_ms(),
    )
    .execute(&mut *connection)
    .await
    .map_err(failed)?;
    if endpoint.disabled.is_some() {
        cancel_pending(connection, &endpoint.id).await?;
    }
    Ok(())
}
