//! Entries of the log and deliveries, written many at a time.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::{batches::batches, failed, lanes};
use crate::{
    domain::{delivery::DeliveryId, endpoint::Endpoint},
    ports::{LoggedEvent, StoreError},
};

/// Bytes of an event or a delivery besides its long texts, about.
const ROW_BYTES: usize = 250;

/// Logs events in their order; returns those that are new, with their places.
pub(super) async fn log<'e>(
    connection: &mut PgConnection,
    events: &'e [LoggedEvent],
) -> Result<Vec<(i64, &'e LoggedEvent)>, StoreError> {
    let mut logged = Vec::with_capacity(events.len());
    for batch in batches(events, |event| event.payload.len() + ROW_BYTES) {
        logged.extend(log_batch(connection, batch).await?);
    }
    Ok(logged)
}

async fn log_batch<'e>(
    connection: &mut PgConnection,
    events: &'e [LoggedEvent],
) -> Result<Vec<(i64, &'e LoggedEvent)>, StoreError> {
    let column = |of: fn(&'e LoggedEvent) -> &'e str| events.iter().map(of).collect::<Vec<&str>>();
    let times = |of: fn(&LoggedEvent) -> i64| events.iter().map(of).collect::<Vec<i64>>();
    let rows = sqlx::query!(
        "INSERT INTO event (id, tenant_id, type, application_id, occurred_at_ms, received_at_ms, payload, traceparent,
                            tracestate, aggregate_id, user_id, sequence)
         SELECT id, tenant_id, type, application_id, occurred_at_ms, received_at_ms, payload, traceparent, tracestate,
                aggregate_id, user_id, sequence
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
                     $9::text[], $10::text[], $11::text[], $12::bigint[]) WITH ORDINALITY
             AS event (id, tenant_id, type, application_id, occurred_at_ms, received_at_ms, payload, traceparent, tracestate,
                       aggregate_id, user_id, sequence, place)
         ORDER BY place
         ON CONFLICT (id) DO NOTHING RETURNING id, position",
        &column(|event| &event.id) as _,
        &column(|event| &event.tenant) as _,
        &column(|event| &event.event_type) as _,
        &column(|event| &event.application) as _,
        &times(|event| event.occurred_at.as_ms()),
        &times(|event| event.received_at.as_ms()),
        &column(|event| &event.payload) as _,
        &column(|event| &event.trace.traceparent) as _,
        &column(|event| &event.trace.tracestate) as _,
        &column(|event| &event.aggregate) as _,
        &column(|event| &event.user) as _,
        &times(sequence),
    )
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    let mut places: HashMap<String, i64> = rows.into_iter().map(|row| (row.id, row.position)).collect();
    // Of an event that is there twice the first one was logged.
    Ok(events.iter().filter_map(|event| Some((places.remove(&event.id)?, event))).collect())
}

fn sequence(event: &LoggedEvent) -> i64 {
    i64::try_from(event.sequence).unwrap_or(i64::MAX)
}

/// A delivery that there shall be: of an event, with its place in the log, to an endpoint.
#[derive(Clone, Copy)]
pub(super) struct NewDelivery<'e> {
    pub(super) position: i64,
    pub(super) event: &'e LoggedEvent,
    pub(super) endpoint: &'e Endpoint,
}

/// What the statement below takes of each delivery, a column each.
#[derive(Default)]
struct Columns<'e> {
    ids: Vec<String>,
    tenants: Vec<&'e str>,
    endpoints: Vec<&'e str>,
    events: Vec<&'e str>,
    received_at_ms: Vec<i64>,
    lanes: Vec<Option<&'e str>>,
    places: Vec<i64>,
    types: Vec<&'e str>,
}

impl<'e> Columns<'e> {
    fn push(&mut self, NewDelivery { position, event, endpoint }: NewDelivery<'e>) {
        self.ids.push(DeliveryId::of(&endpoint.id, &event.id).to_string());
        self.tenants.push(&event.tenant);
        self.endpoints.push(endpoint.id.as_str());
        self.events.push(&event.id);
        self.received_at_ms.push(event.received_at.as_ms());
        self.lanes.push(lanes::of(endpoint.is_ordered, &event.aggregate));
        self.places.push(if event.sequence > 0 { sequence(event) } else { position });
        self.types.push(&event.event_type);
    }
}

/// Makes deliveries; returns how many there were not. Those in a lane are behind until the lane is settled.
pub(super) async fn add_deliveries(
    connection: &mut PgConnection,
    deliveries: &[NewDelivery<'_>],
) -> Result<usize, StoreError> {
    let mut added = 0;
    for batch in batches(deliveries, |_| ROW_BYTES) {
        added += add_batch(connection, batch).await?;
    }
    Ok(added)
}

async fn add_batch(connection: &mut PgConnection, deliveries: &[NewDelivery<'_>]) -> Result<usize, StoreError> {
    let mut columns = Columns::default();
    for delivery in deliveries {
        columns.push(*delivery);
    }
    let added = sqlx::query!(
        "INSERT INTO delivery (id, tenant_id, endpoint_id, event_id, state, created_at_ms, next_attempt_at_ms, lane, lane_place,
                               is_behind, event_type)
         SELECT id, tenant_id, endpoint_id, event_id, 1, received_at_ms, received_at_ms, lane, lane_place, lane IS NOT NULL,
                event_type
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::text[])
             AS wanted (id, tenant_id, endpoint_id, event_id, received_at_ms, lane, lane_place, event_type)
         ON CONFLICT DO NOTHING",
        &columns.ids,
        &columns.tenants as _,
        &columns.endpoints as _,
        &columns.events as _,
        &columns.received_at_ms,
        &columns.lanes as _,
        &columns.places,
        &columns.types as _,
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(usize::try_from(added.rows_affected()).unwrap_or(usize::MAX))
}
