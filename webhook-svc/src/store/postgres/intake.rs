//! The intake: an event is logged once, together with its deliveries.

use std::collections::BTreeSet;

use sqlx::{PgConnection, PgPool};
use svc_kit::secret;

use super::{
    failed,
    lanes::{self, Lanes},
    rows::EndpointRow,
};
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
    let receivers = receivers(&mut transaction, events).await?;
    let endpoints: Vec<Endpoint> = receivers.into_iter().map(|receiver| receiver.endpoint).collect();
    lock(&mut transaction, events).await?;
    let lanes = lanes_of(events, &endpoints);
    lanes.lock(&mut transaction).await?;
    let mut accepted = 0;
    for event in events {
        let Some(position) = log(&mut transaction, event).await? else { continue };
        accepted += 1;
        let wants = |endpoint: &&Endpoint| endpoint.wants(event.subject());
        for endpoint in endpoints.iter().filter(wants) {
            add_delivery(&mut transaction, (position, event), endpoint).await?;
        }
    }
    lanes.settle(&mut transaction).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(accepted)
}

/// The lanes that the events may come into.
fn lanes_of(events: &[LoggedEvent], endpoints: &[Endpoint]) -> Lanes {
    let mut lanes = Lanes::default();
    for endpoint in endpoints.iter().filter(|endpoint| endpoint.is_ordered) {
        for event in events.iter().filter(|event| endpoint.wants(event.subject())) {
            if let Some(lane) = lanes::of(true, &event.aggregate) {
                lanes.push(endpoint.id.as_str(), lane);
            }
        }
    }
    lanes
}

/// An endpoint that events may be for.
pub(super) struct Receiver {
    pub(super) endpoint: Endpoint,
    /// The place in the log after which it matches as it does now.
    pub(super) matches_after: i64,
}

/// The endpoints that may want one of the events, locked against being disabled or deleted until the deliveries are there.
/// A tenant has few for webhooks and one for each application: of the latter only those that the events concern.
pub(super) async fn receivers<'e>(
    connection: &mut PgConnection,
    events: impl IntoIterator<Item = &'e LoggedEvent>,
) -> Result<Vec<Receiver>, StoreError> {
    let (tenants, applications): (BTreeSet<&str>, BTreeSet<&str>) =
        events.into_iter().map(|event| (event.tenant.as_str(), event.application.as_str())).unzip();
    let tenants: Vec<String> = tenants.into_iter().map(str::to_owned).collect();
    let applications: Vec<String> = applications.into_iter().map(str::to_owned).collect();
    let rows = sqlx::query_as!(
        EndpointRow,
        "SELECT * FROM endpoint
         WHERE tenant_id = ANY($1) AND is_enabled AND (kind = 1 OR (kind <> 1 AND application_ids && $2))
         ORDER BY id FOR SHARE",
        &tenants,
        &applications,
    )
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    let receiver =
        |row: EndpointRow| Ok(Receiver { matches_after: row.matches_after, endpoint: Endpoint::try_from(row)? });
    rows.into_iter().map(receiver).collect()
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

/// Logs an event for one endpoint; `None` when that is disabled or deleted.
pub(super) async fn accept_for(
    pool: &PgPool,
    event: &LoggedEvent,
    endpoint: &EndpointId,
) -> Result<Option<DeliveryId>, StoreError> {
    let mut transaction = pool.begin().await.map_err(failed)?;
    lock_tenants(&mut transaction, std::slice::from_ref(&event.tenant)).await?;
    let row = sqlx::query_as!(
        EndpointRow,
        "SELECT * FROM endpoint WHERE id = $1 AND is_enabled FOR SHARE",
        endpoint.as_str()
    )
    .fetch_optional(&mut *transaction)
    .await
    .map_err(failed)?;
    let Some(endpoint) = row.map(Endpoint::try_from).transpose()? else { return Ok(None) };
    lock(&mut transaction, std::slice::from_ref(event)).await?;
    let lane = lanes::of(endpoint.is_ordered, &event.aggregate);
    let lane = lane.map(|lane| Lanes::one(endpoint.id.as_str(), lane)).unwrap_or_default();
    lane.lock(&mut transaction).await?;
    if let Some(position) = log(&mut transaction, event).await? {
        add_delivery(&mut transaction, (position, event), &endpoint).await?;
    }
    lane.settle(&mut transaction).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(Some(DeliveryId::of(&endpoint.id, &event.id)))
}

/// Makes the writers of a tenant's log take turns until they commit: so the order of positions is the order of commits,
/// and a reader that goes by position steps over nothing. (To ask for events older than every running transaction would do
/// as well, but a long transaction in any other database of the server would hold the log up.)
pub(super) async fn lock_tenants(connection: &mut PgConnection, tenants: &[String]) -> Result<(), StoreError> {
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

/// Logs an event and returns its place; `None` when it is known.
async fn log(connection: &mut PgConnection, event: &LoggedEvent) -> Result<Option<i64>, StoreError> {
    sqlx::query_scalar!(
        "INSERT INTO event (id, tenant_id, type, application_id, occurred_at_ms, received_at_ms, payload, traceparent,
                            tracestate, aggregate_id, user_id, sequence)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING RETURNING position",
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
        i64::try_from(event.sequence).unwrap_or(i64::MAX),
    )
    .fetch_optional(connection)
    .await
    .map_err(failed)
}

/// Makes the delivery of a logged event to an endpoint; `false` when there is one. One in a lane is behind until the lane is
/// settled.
pub(super) async fn add_delivery(
    connection: &mut PgConnection,
    (position, event): (i64, &LoggedEvent),
    endpoint: &Endpoint,
) -> Result<bool, StoreError> {
    let id = DeliveryId::of(&endpoint.id, &event.id);
    let lane = lanes::of(endpoint.is_ordered, &event.aggregate);
    let sequence = i64::try_from(event.sequence).unwrap_or(i64::MAX);
    let added = sqlx::query!(
        "INSERT INTO delivery (id, tenant_id, endpoint_id, event_id, state, created_at_ms, next_attempt_at_ms, lane, lane_place,
                               is_behind, event_type)
         VALUES ($1, $2, $3, $4, 1, $5, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        id.as_str(),
        event.tenant,
        endpoint.id.as_str(),
        event.id,
        event.received_at.as_ms(),
        lane,
        if sequence > 0 { sequence } else { position },
        lane.is_some(),
        event.event_type,
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(added.rows_affected() == 1)
}
