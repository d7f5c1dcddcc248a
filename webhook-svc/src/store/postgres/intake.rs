//! The intake: an event is logged once, together with its deliveries.

use sqlx::{PgConnection, PgPool};
use svc_kit::secret;

use super::{failed, rows::EndpointRow};
use crate::{
    domain::{
        delivery::DeliveryId,
        endpoint::{Endpoint, EndpointId},
    },
    ports::{LoggedEvent, StoreError},
};

/// Advisory locks that the logs of all tenants share: how many, and the first one's key.
const LOG_LOCKS: i64 = 64;
const LOG_LOCK_FIRST: i64 = 0x6c6f_6700_0000_0000;

/// Logs events and makes their deliveries in one transaction; returns how many were new.
pub(super) async fn accept(pool: &PgPool, events: &[LoggedEvent]) -> Result<usize, StoreError> {
    let mut transaction = pool.begin().await.map_err(failed)?;
    let mut tenants: Vec<String> = events.iter().map(|event| event.tenant.clone()).collect();
    tenants.sort();
    tenants.dedup();
    lock_tenants(&mut transaction, &tenants).await?;
    let endpoints = receivers(&mut transaction, &tenants, events).await?;
    lock(&mut transaction, events).await?;
    let mut accepted = 0;
    for event in events {
        if !log(&mut transaction, event).await? {
            continue;
        }
        accepted += 1;
        let wants = |endpoint: &&Endpoint| endpoint.wants(event.subject());
        for endpoint in endpoints.iter().filter(wants) {
            add_delivery(&mut transaction, event, &endpoint.id).await?;
        }
    }
    transaction.commit().await.map_err(failed)?;
    Ok(accepted)
}

/// The endpoints that may want one of the events, locked against being disabled or deleted until the deliveries are there.
/// A tenant has few for webhooks and one for each application: of the latter only those that the events concern.
async fn receivers(
    connection: &mut PgConnection,
    tenants: &[String],
    events: &[LoggedEvent],
) -> Result<Vec<Endpoint>, StoreError> {
    let mut applications: Vec<String> = events.iter().map(|event| event.application.clone()).collect();
    applications.sort();
    applications.dedup();
    let rows = sqlx::query_as!(
        EndpointRow,
        "SELECT * FROM endpoint
         WHERE tenant_id = ANY($1) AND is_enabled AND (kind = 1 OR (kind <> 1 AND application_ids && $2))
         ORDER BY id FOR SHARE",
        tenants,
        &applications,
    )
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    rows.into_iter().map(Endpoint::try_from).collect()
}

/// Takes a lock for each event, all in one order: batches that share events in different orders wait for one another
/// instead of ending in a deadlock. The events themselves must stay in the order of their arrival.
async fn lock(connection: &mut PgConnection, events: &[LoggedEvent]) -> Result<(), StoreError> {
    let ids: Vec<String> = events.iter().map(|event| event.id.clone()).collect();
    sqlx::query!(
        r#"SELECT pg_advisory_xact_lock(number)::text AS "locked"
           FROM (SELECT DISTINCT hashtextextended(id, 0) AS number FROM unnest($1::text[]) AS id ORDER BY number) AS numbers"#,
        &ids
    )
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

/// Logs an event for one endpoint.
pub(super) async fn accept_for(
    pool: &PgPool,
    event: &LoggedEvent,
    endpoint: &EndpointId,
) -> Result<DeliveryId, StoreError> {
    let mut transaction = pool.begin().await.map_err(failed)?;
    lock_tenants(&mut transaction, std::slice::from_ref(&event.tenant)).await?;
    log(&mut transaction, event).await?;
    let id = add_delivery(&mut transaction, event, endpoint).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(id)
}

/// Makes the writers of a tenant's log take turns until they commit: so the order of positions is the order of commits,
/// and a reader that goes by position steps over nothing. (To ask for events older than every running transaction would do
/// as well, but a long transaction in any other database of the server would hold the log up.)
async fn lock_tenants(connection: &mut PgConnection, tenants: &[String]) -> Result<(), StoreError> {
    let mut stripes: Vec<i64> =
        tenants.iter().map(|tenant| i64::from(secret::sha256(tenant.as_bytes())[0]) % LOG_LOCKS).collect();
    // In one order for everybody: nobody waits crosswise.
    stripes.sort_unstable();
    stripes.dedup();
    for stripe in stripes {
        sqlx::query!("SELECT pg_advisory_xact_lock($1)", LOG_LOCK_FIRST + stripe)
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
    }
    Ok(())
}

async fn log(connection: &mut PgConnection, event: &LoggedEvent) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "INSERT INTO event (id, tenant_id, type, application_id, occurred_at_ms, received_at_ms, payload, traceparent,
                            tracestate, aggregate_id, user_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING",
        event.id,
        event.tenant,
        event.event_type,
        event.application,
        event.occurred_at.as_ms(),
        event.received_at.as_ms(),
        event.payload,
        event.trace.traceparent,
        event.trace.tracestate,
        event.aggregate,
        event.user,
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(inserted.rows_affected() == 1)
}

async fn add_delivery(
    connection: &mut PgConnection,
    event: &LoggedEvent,
    endpoint: &EndpointId,
) -> Result<DeliveryId, StoreError> {
    let id = DeliveryId::of(endpoint, &event.id);
    sqlx::query!(
        "INSERT INTO delivery (id, tenant_id, endpoint_id, event_id, state, created_at_ms, next_attempt_at_ms)
         VALUES ($1, $2, $3, $4, 1, $5, $5) ON CONFLICT DO NOTHING",
        id.as_str(),
        event.tenant,
        endpoint.as_str(),
        event.id,
        event.received_at.as_ms(),
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(id)
}
