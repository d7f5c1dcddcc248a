//! The intake: an event is logged once, together with its deliveries.

use std::collections::BTreeSet;

use sqlx::{PgConnection, PgPool};
use svc_kit::secret;

use super::{
    entries::{self, NewDelivery},
    failed,
    lanes::{self, Lanes},
    rows::{EndpointRow, readable},
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
    // Who shares an event with others shares its tenant: nobody meets crosswise after this.
    lock_tenants(&mut transaction, events.iter().map(|event| event.tenant.as_str())).await?;
    let receivers = receivers(&mut transaction, events).await?;
    let endpoints: Vec<Endpoint> = receivers.into_iter().map(|receiver| receiver.endpoint).collect();
    let lanes = lanes_of(events, &endpoints);
    lanes.lock(&mut transaction).await?;
    let logged = entries::log(&mut transaction, events).await?;
    entries::add_deliveries(&mut transaction, &wanted(&logged, &endpoints)).await?;
    lanes.settle(&mut transaction).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(logged.len())
}

/// The deliveries of new events to the endpoints that want them.
fn wanted<'e>(logged: &[(i64, &'e LoggedEvent)], endpoints: &'e [Endpoint]) -> Vec<NewDelivery<'e>> {
    let mut wanted = Vec::new();
    for (position, event) in logged {
        let wants = endpoints.iter().filter(|endpoint| endpoint.wants(event.subject()));
        wanted.extend(wants.map(|endpoint| NewDelivery { position: *position, event, endpoint }));
    }
    wanted
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
/// A tenant has few for webhooks and one for each application: of the latter only those that the events concern. One that cannot
/// be read is left out: the events are logged, and the reconciler makes its deliveries once it can be.
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
    let receiver = |row: EndpointRow| Some(Receiver { matches_after: row.matches_after, endpoint: readable(row)? });
    Ok(rows.into_iter().filter_map(receiver).collect())
}

/// Logs an event for one endpoint; `None` when that is disabled or deleted.
pub(super) async fn accept_for(
    pool: &PgPool,
    event: &LoggedEvent,
    endpoint: &EndpointId,
) -> Result<Option<DeliveryId>, StoreError> {
    let mut transaction = pool.begin().await.map_err(failed)?;
    lock_tenants(&mut transaction, [event.tenant.as_str()]).await?;
    let row = sqlx::query_as!(
        EndpointRow,
        "SELECT * FROM endpoint WHERE id = $1 AND is_enabled FOR SHARE",
        endpoint.as_str()
    )
    .fetch_optional(&mut *transaction)
    .await
    .map_err(failed)?;
    let Some(endpoint) = row.map(Endpoint::try_from).transpose()? else { return Ok(None) };
    let lane = lanes::of(endpoint.is_ordered, &event.aggregate);
    let lane = lane.map(|lane| Lanes::one(endpoint.id.as_str(), lane)).unwrap_or_default();
    lane.lock(&mut transaction).await?;
    let logged = entries::log(&mut transaction, std::slice::from_ref(event)).await?;
    let wanted = logged.iter().map(|(position, event)| NewDelivery { position: *position, event, endpoint: &endpoint });
    entries::add_deliveries(&mut transaction, &wanted.collect::<Vec<_>>()).await?;
    lane.settle(&mut transaction).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(Some(DeliveryId::of(&endpoint.id, &event.id)))
}

/// Makes the writers of a tenant's log take turns until they commit: so the order of positions is the order of commits,
/// and a reader that goes by position steps over nothing. (To ask for events older than every running transaction would do
/// as well, but a long transaction in any other database of the server would hold the log up.)
pub(super) async fn lock_tenants(
    connection: &mut PgConnection,
    tenants: impl IntoIterator<Item = &str>,
) -> Result<(), StoreError> {
    // In one order for everybody: nobody waits crosswise.
    let tenants: BTreeSet<&str> = tenants.into_iter().collect();
    let stripe = |tenant: &str| LOG_LOCK_FIRST + i64::from(secret::sha256(tenant.as_bytes())[0]) % LOG_LOCKS;
    let stripes: BTreeSet<i64> = tenants.into_iter().map(stripe).collect();
    let stripes: Vec<i64> = stripes.into_iter().collect();
    sqlx::query!(
        r#"SELECT pg_advisory_xact_lock(stripe)::text AS "locked"
           FROM unnest($1::bigint[]) WITH ORDINALITY AS stripes (stripe, place) ORDER BY place"#,
        &stripes
    )
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    Ok(())
}
