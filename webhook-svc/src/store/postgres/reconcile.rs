//! The reconciler: proves that each event of the log has a delivery to every endpoint that wanted it, and that whatever is
//! pending has a time, an endpoint and somebody in front; repairs what is not so.
//!
//! It goes through the log in steps, in one replica at a time, and begins anew when it is through. Nothing it looks for is
//! made by a service that works: an event is logged with its deliveries, a claim that dies is due again.

use sqlx::{PgConnection, PgPool};
use svc_kit::{clock::Timestamp, telemetry::TraceContext};

use super::{
    entries::{self, NewDelivery},
    failed,
    intake::{self, Receiver},
    jobs::{self, Place},
    lanes::{self, Lanes},
};
use crate::{
    domain::delivery::DeliveryId,
    ports::{LoggedEvent, ReconcileBounds, Reconciled, Repairs, StoreError},
};

const JOB: &str = "reconciler";

/// A delivery that there should be.
struct Expected<'s> {
    position: i64,
    event: &'s LoggedEvent,
    receiver: &'s Receiver,
    id: DeliveryId,
}

/// Does one step, if it is time for one and no other replica is at it.
pub(super) async fn reconcile(
    pool: &PgPool,
    now: Timestamp,
    bounds: ReconcileBounds,
) -> Result<Reconciled, StoreError> {
    let mut transaction = pool.begin().await.map_err(failed)?;
    let Some(place) = jobs::take(&mut transaction, JOB, now).await? else { return Ok(Reconciled::default()) };
    let since = now.saturating_sub(bounds.age_max);
    let events = events(&mut transaction, &place, since, bounds.events).await?;
    let (missing, stranded) = complete(&mut transaction, &events).await?;
    let repairs = Repairs {
        missing,
        stranded,
        timeless: set_times(&mut transaction, now).await?,
        lapsed: release(&mut transaction, now.saturating_sub(bounds.lapsed_after)).await?,
        orphaned: cancel_orphans(&mut transaction, bounds.events).await?,
    };
    let is_end = events.len() < bounds.events;
    let last = events.last().filter(|_| !is_end);
    let pause = if is_end { bounds.rest } else { bounds.pause };
    let next = last.map(|(position, event)| Place { tenant: event.tenant.clone(), position: *position });
    jobs::leave(&mut transaction, JOB, &next.unwrap_or_default(), now.saturating_add(pause)).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(Reconciled { is_done: true, is_end, events: events.len(), repairs })
}

/// The next events, as far as they matter here: without their bodies.
async fn events(
    connection: &mut PgConnection,
    after: &Place,
    since: Timestamp,
    limit: usize,
) -> Result<Vec<(i64, LoggedEvent)>, StoreError> {
    let rows = sqlx::query!(
        "SELECT id, position, tenant_id, type AS event_type, application_id, aggregate_id, sequence, received_at_ms
         FROM event WHERE (tenant_id, position) > ($1, $2) AND received_at_ms >= $4 ORDER BY tenant_id, position LIMIT $3",
        after.tenant,
        after.position,
        i64::try_from(limit).unwrap_or(i64::MAX),
        since.as_ms(),
    )
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let received_at = Timestamp::from_ms(row.received_at_ms);
            let event = LoggedEvent {
                id: row.id,
                tenant: row.tenant_id,
                event_type: row.event_type,
                application: row.application_id,
                user: String::new(),
                aggregate: row.aggregate_id,
                sequence: row.sequence.unsigned_abs(),
                occurred_at: received_at,
                received_at,
                payload: String::new(),
                trace: TraceContext::default(),
            };
            (row.position, event)
        })
        .collect())
}

/// Makes the deliveries of these events that are missing, and lets those go that wait behind nobody; says how many of each.
async fn complete(connection: &mut PgConnection, events: &[(i64, LoggedEvent)]) -> Result<(usize, usize), StoreError> {
    let receivers = intake::receivers(connection, events.iter().map(|(_, event)| event)).await?;
    let expected = expected(events, &receivers);
    let ids: Vec<String> = expected.iter().map(|it| it.id.to_string()).collect();
    let found = sqlx::query!(
        r#"SELECT delivery.id IS NULL AS "is_missing!", coalesce(is_behind, false) AS "is_behind!"
           FROM unnest($1::text[]) WITH ORDINALITY AS wanted (id, number) LEFT JOIN delivery ON delivery.id = wanted.id
           ORDER BY number"#,
        &ids
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(failed)?;
    let mut lanes = Lanes::default();
    for (it, _) in expected.iter().zip(&found).filter(|(_, found)| found.is_missing || found.is_behind) {
        if let Some(lane) = lanes::of(true, &it.event.aggregate) {
            lanes.push(it.receiver.endpoint.id.as_str(), lane);
        }
    }
    lanes.lock(connection).await?;
    let stranded = lanes.settle(connection).await?;
    let lacking = expected.iter().zip(&found).filter(|(_, found)| found.is_missing);
    let kept = keep(connection, lacking.map(|(it, _)| it.event.id.clone()).collect()).await?;
    let is_lacking = |it: &Expected<'_>, is_missing: bool| is_missing && kept.contains(&it.event.id);
    let lacking = expected.iter().zip(&found).filter(|(it, found)| is_lacking(it, found.is_missing));
    let lacking =
        lacking.map(|(it, _)| NewDelivery { position: it.position, event: it.event, endpoint: &it.receiver.endpoint });
    let missing = entries::add_deliveries(connection, &lacking.collect::<Vec<_>>()).await?;
    lanes.settle(connection).await?;
    Ok((missing, stranded))
}

/// Keeps events from being removed until the transaction ends; returns those that there are.
async fn keep(connection: &mut PgConnection, ids: Vec<String>) -> Result<Vec<String>, StoreError> {
    if ids.is_empty() {
        return Ok(ids);
    }
    sqlx::query_scalar!("SELECT id FROM event WHERE id = ANY($1) ORDER BY id FOR KEY SHARE", &ids)
        .fetch_all(connection)
        .await
        .map_err(failed)
}

fn expected<'s>(events: &'s [(i64, LoggedEvent)], receivers: &'s [Receiver]) -> Vec<Expected<'s>> {
    let mut expected = Vec::new();
    for (position, event) in events {
        let wants =
            |receiver: &&Receiver| *position > receiver.matches_after && receiver.endpoint.wants(event.subject());
        expected.extend(receivers.iter().filter(wants).map(|receiver| Expected {
            position: *position,
            event,
            receiver,
            id: DeliveryId::of(&receiver.endpoint.id, &event.id),
        }));
    }
    expected
}

/// Gives pending deliveries a time that have none.
async fn set_times(connection: &mut PgConnection, now: Timestamp) -> Result<usize, StoreError> {
    let done = sqlx::query!(
        "UPDATE delivery SET next_attempt_at_ms = $1, is_claimed = false WHERE state = 1 AND next_attempt_at_ms IS NULL",
        now.as_ms(),
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

/// Ends claims that ended long ago and were not made again.
async fn release(connection: &mut PgConnection, before: Timestamp) -> Result<usize, StoreError> {
    let done = sqlx::query!(
        "UPDATE delivery SET is_claimed = false WHERE is_claimed AND next_attempt_at_ms < $1",
        before.as_ms(),
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

/// Ends what waits for an endpoint that is disabled or deleted. Jumps from one endpoint to the next, as claims do.
async fn cancel_orphans(connection: &mut PgConnection, limit: usize) -> Result<usize, StoreError> {
    let done = sqlx::query!(
        "WITH RECURSIVE backlog (endpoint_id) AS (
             (SELECT endpoint_id FROM delivery WHERE state = 1 ORDER BY endpoint_id LIMIT 1)
             UNION ALL
             SELECT (SELECT delivery.endpoint_id FROM delivery
                     WHERE delivery.state = 1 AND delivery.endpoint_id > backlog.endpoint_id
                     ORDER BY delivery.endpoint_id LIMIT 1)
             FROM backlog WHERE backlog.endpoint_id IS NOT NULL
         ), orphan AS (
             SELECT delivery.id FROM delivery
             WHERE state = 1 AND endpoint_id IN (
                 SELECT backlog.endpoint_id FROM backlog LEFT JOIN endpoint ON endpoint.id = backlog.endpoint_id
                 WHERE backlog.endpoint_id IS NOT NULL AND endpoint.is_enabled IS NOT TRUE
             )
             LIMIT $1 FOR UPDATE SKIP LOCKED
         )
         UPDATE delivery SET state = 4, next_attempt_at_ms = NULL, is_claimed = false, is_behind = false
         FROM orphan WHERE delivery.id = orphan.id",
        i64::try_from(limit).unwrap_or(i64::MAX),
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}
