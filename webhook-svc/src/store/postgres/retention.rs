//! Retention: events and deliveries that are old go in batches, tenant by tenant; attempts with the
//! [partition](super::partitions) of their day.
//!
//! An event goes when nothing pending needs it. Whoever makes a delivery pending again locks its event first, and so does
//! the retention before it looks for pending deliveries: neither misses the other.

use sqlx::{PgConnection, PgPool};
use svc_kit::clock::Timestamp;

use super::{
    failed,
    jobs::{self, Place},
    partitions,
};
use crate::ports::{Retained, Retention, StoreError};

const JOB: &str = "retention";

/// Does one step, if it is time for one and no other replica is at it.
pub(super) async fn retain(pool: &PgPool, now: Timestamp, rules: Retention) -> Result<Retained, StoreError> {
    let mut transaction = pool.begin().await.map_err(failed)?;
    let Some(place) = jobs::take(&mut transaction, JOB, now).await? else { return Ok(Retained::default()) };
    let mut retained = Retained { is_done: true, ..Retained::default() };
    let next = if place.position == 0 {
        // A step of its own: it locks all attempts for a moment.
        retained.partitions = partitions::keep(&mut transaction, now, now.saturating_sub(rules.attempts)).await?;
        Some(Place { tenant: String::new(), position: 1 })
    } else {
        sweep(&mut transaction, place, (now, rules), &mut retained).await?
    };
    retained.is_end = next.is_none();
    let pause = if retained.is_end { rules.rest } else { rules.pause };
    jobs::leave(&mut transaction, JOB, &next.unwrap_or_default(), now.saturating_add(pause)).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(retained)
}

/// Removes a batch of the next tenant's; `None` when there is no further tenant.
async fn sweep(
    connection: &mut PgConnection,
    place: Place,
    (now, rules): (Timestamp, Retention),
    retained: &mut Retained,
) -> Result<Option<Place>, StoreError> {
    let Some(tenant) = next_tenant(connection, &place.tenant).await? else { return Ok(None) };
    let batch = i64::try_from(rules.batch).unwrap_or(i64::MAX);
    retained.events = remove_events(connection, &tenant, now.saturating_sub(rules.payload), batch).await?;
    retained.deliveries = remove_deliveries(connection, &tenant, now.saturating_sub(rules.attempts), batch).await?;
    // A full batch is hardly the last one: the same tenant again.
    let is_through = retained.events.max(retained.deliveries) < rules.batch;
    Ok(Some(if is_through { Place { tenant, position: 1 } } else { place }))
}

/// The next tenant that has events or deliveries, by jumps in the indexes.
async fn next_tenant(connection: &mut PgConnection, after: &str) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar!(
        "SELECT least((SELECT tenant_id FROM event WHERE tenant_id > $1 ORDER BY tenant_id LIMIT 1),
                      (SELECT tenant_id FROM delivery WHERE tenant_id > $1 ORDER BY tenant_id LIMIT 1))",
        after
    )
    .fetch_one(connection)
    .await
    .map_err(failed)
}

async fn remove_events(
    connection: &mut PgConnection,
    tenant: &str,
    before: Timestamp,
    batch: i64,
) -> Result<usize, StoreError> {
    // A delivery was created when its event was received. This is only a choice: what is pending then is looked at again.
    let old = sqlx::query_scalar!(
        "SELECT id FROM event
         WHERE tenant_id = $1 AND received_at_ms < $2 AND NOT EXISTS (
             SELECT FROM delivery WHERE delivery.tenant_id = $1 AND created_at_ms = event.received_at_ms
                 AND event_id = event.id AND state = 1)
         ORDER BY received_at_ms, position LIMIT $3 FOR UPDATE SKIP LOCKED",
        tenant,
        before.as_ms(),
        batch,
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(failed)?;
    let done = sqlx::query!(
        "DELETE FROM event WHERE id = ANY($1) AND NOT EXISTS (
             SELECT FROM delivery WHERE delivery.tenant_id = event.tenant_id AND created_at_ms = event.received_at_ms
                 AND event_id = event.id AND state = 1)",
        &old,
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

async fn remove_deliveries(
    connection: &mut PgConnection,
    tenant: &str,
    before: Timestamp,
    batch: i64,
) -> Result<usize, StoreError> {
    let done = sqlx::query!(
        "DELETE FROM delivery WHERE id IN (
             SELECT id FROM delivery WHERE tenant_id = $1 AND created_at_ms < $2 AND state <> 1
             ORDER BY created_at_ms, id LIMIT $3 FOR UPDATE SKIP LOCKED)",
        tenant,
        before.as_ms(),
        batch,
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}
