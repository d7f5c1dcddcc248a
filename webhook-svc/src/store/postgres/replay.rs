//! Deliveries that are made again.

use sqlx::{PgConnection, PgPool};

use super::{failed, lanes::Lanes};
use crate::{
    domain::delivery::DeliveryId,
    ports::{Pace, Replay, ReplayMode, StoreError},
};

/// What is asked for, as the statements take it.
struct Wanted {
    deliveries: Vec<String>,
    endpoints: Vec<String>,
    events: Vec<String>,
}

impl Wanted {
    fn new(replays: &[Replay]) -> Self {
        Self {
            deliveries: replays.iter().map(|it| DeliveryId::of(&it.endpoint, &it.event).to_string()).collect(),
            endpoints: replays.iter().map(|it| it.endpoint.to_string()).collect(),
            events: replays.iter().map(|it| it.event.clone()).collect(),
        }
    }
}

/// Makes deliveries due again; returns how many.
pub(super) async fn replay(
    pool: &PgPool,
    tenant: &str,
    replays: &[Replay],
    pace: Pace,
    mode: ReplayMode,
) -> Result<usize, StoreError> {
    let wanted = Wanted::new(replays);
    if mode.is_dry { count(pool, tenant, &wanted, mode).await } else { make(pool, tenant, &wanted, pace, mode).await }
}

async fn count(pool: &PgPool, tenant: &str, wanted: &Wanted, mode: ReplayMode) -> Result<usize, StoreError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!"
           FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (id, endpoint_id, event_id)
           JOIN endpoint ON endpoint.id = wanted.endpoint_id AND endpoint.is_enabled
           JOIN event ON event.id = wanted.event_id AND event.tenant_id = $4
           LEFT JOIN delivery ON delivery.id = wanted.id
           WHERE delivery.id IS NULL OR state IN (3, 4) OR (state = 2 AND NOT $5)"#,
        &wanted.deliveries,
        &wanted.endpoints,
        &wanted.events,
        tenant,
        mode.only_missing,
    )
    .fetch_one(pool)
    .await
    .map_err(failed)?;
    Ok(usize::try_from(count).unwrap_or(0))
}

async fn make(pool: &PgPool, tenant: &str, wanted: &Wanted, pace: Pace, mode: ReplayMode) -> Result<usize, StoreError> {
    let mut transaction = pool.begin().await.map_err(failed)?;
    // Locked against being disabled or deleted until the deliveries are there.
    sqlx::query!("SELECT id FROM endpoint WHERE id = ANY($1) ORDER BY id FOR SHARE", &wanted.endpoints)
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
    // And the events against being removed.
    sqlx::query!("SELECT id FROM event WHERE id = ANY($1) ORDER BY id FOR KEY SHARE", &wanted.events)
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
    let lanes = lanes_of(&mut transaction, wanted).await?;
    lanes.lock(&mut transaction).await?;
    let made = sqlx::query!(
        "WITH chosen AS (
             SELECT wanted.id, wanted.endpoint_id, wanted.event_id, event.received_at_ms, event.type AS event_type,
                    CASE WHEN is_ordered THEN nullif(aggregate_id, '') END AS lane,
                    CASE WHEN sequence > 0 THEN sequence ELSE position END AS lane_place,
                    row_number() OVER (ORDER BY wanted.place) AS number
             FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS wanted (id, endpoint_id, event_id, place)
             JOIN endpoint ON endpoint.id = wanted.endpoint_id AND endpoint.is_enabled
             JOIN event ON event.id = wanted.event_id AND event.tenant_id = $4
             LEFT JOIN delivery ON delivery.id = wanted.id
             WHERE delivery.id IS NULL OR state IN (3, 4) OR (state = 2 AND NOT $5)
         )
         INSERT INTO delivery (id, tenant_id, endpoint_id, event_id, state, created_at_ms, next_attempt_at_ms, is_replay, lane,
                               lane_place, is_behind, event_type)
         SELECT id, $4, endpoint_id, event_id, 1, received_at_ms, $6 + (($7::bigint + number) * 1000 + $8::bigint - 1) / $8,
                true, lane, lane_place, lane IS NOT NULL, event_type
         FROM chosen ORDER BY number
         ON CONFLICT (id) DO UPDATE
             SET state = 1, next_attempt_at_ms = excluded.next_attempt_at_ms, step = 0, is_replay = true,
                 generation = delivery.generation + 1, lane = excluded.lane, lane_place = excluded.lane_place,
                 is_behind = excluded.is_behind
             WHERE delivery.state <> 1",
        &wanted.deliveries,
        &wanted.endpoints,
        &wanted.events,
        tenant,
        mode.only_missing,
        pace.from.as_ms(),
        i64::try_from(pace.before).unwrap_or(i64::MAX),
        i64::from(pace.rate.per_second()),
    )
    .execute(&mut *transaction)
    .await
    .map_err(failed)?;
    lanes.settle(&mut transaction).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(usize::try_from(made.rows_affected()).unwrap_or(usize::MAX))
}

/// The lanes that the deliveries may come into.
async fn lanes_of(connection: &mut PgConnection, wanted: &Wanted) -> Result<Lanes, StoreError> {
    let found = sqlx::query!(
        "SELECT DISTINCT endpoint_id, aggregate_id FROM unnest($1::text[], $2::text[]) AS wanted (endpoint_id, event_id)
         JOIN endpoint ON endpoint.id = endpoint_id AND is_ordered JOIN event ON event.id = event_id AND aggregate_id <> ''",
        &wanted.endpoints,
        &wanted.events,
    )
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    let mut lanes = Lanes::default();
    for row in found {
        lanes.push(row.endpoint_id.as_deref().unwrap_or_default(), &row.aggregate_id);
    }
    Ok(lanes)
}
