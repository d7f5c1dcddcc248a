//! Lanes: the deliveries of one session to an endpoint that wants order. Only the one in front is tried.
//!
//! Whoever adds to a lane, or ends or repeats something in it, locks it first and has it settled afterwards, in the same
//! transaction: then one delivery of the lane is in front and the others are behind. Locks are taken in this order: the
//! endpoint, its lanes, their deliveries.

use sqlx::PgConnection;

use super::failed;
use crate::ports::StoreError;

/// Some lanes: endpoints, and what the events happened to.
#[derive(Default)]
pub(super) struct Lanes {
    endpoints: Vec<String>,
    names: Vec<String>,
}

impl Lanes {
    /// Adds a lane.
    pub(super) fn push(&mut self, endpoint: &str, name: &str) {
        self.endpoints.push(endpoint.to_owned());
        self.names.push(name.to_owned());
    }

    /// One lane.
    pub(super) fn one(endpoint: &str, name: &str) -> Self {
        let mut one = Self::default();
        one.push(endpoint, name);
        one
    }

    /// Keeps everybody else out of the lanes until the transaction ends.
    pub(super) async fn lock(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        if self.names.is_empty() {
            return Ok(());
        }
        // In one order for everybody: nobody waits crosswise.
        sqlx::query!(
            r#"SELECT pg_advisory_xact_lock(number)::text AS "locked"
               FROM (SELECT DISTINCT hashtextextended('lane ' || endpoint_id || ' ' || name, 0) AS number
                     FROM unnest($1::text[], $2::text[]) AS lane (endpoint_id, name) ORDER BY number) AS numbers"#,
            &self.endpoints,
            &self.names,
        )
        .fetch_all(connection)
        .await
        .map_err(failed)?;
        Ok(())
    }

    /// Finds out who is in front: what is being tried, else what happened first. Returns for how many that is news.
    pub(super) async fn settle(&self, connection: &mut PgConnection) -> Result<usize, StoreError> {
        if self.names.is_empty() {
            return Ok(0);
        }
        let settled = sqlx::query!(
            "WITH wanted AS (
                 SELECT DISTINCT endpoint_id, name FROM unnest($1::text[], $2::text[]) AS lane (endpoint_id, name)
             ), front AS (
                 SELECT wanted.endpoint_id, wanted.name, first.id FROM wanted CROSS JOIN LATERAL (
                     SELECT id FROM (
                         (SELECT id, is_claimed, lane_place FROM delivery
                          WHERE endpoint_id = wanted.endpoint_id AND lane = wanted.name AND state = 1 AND NOT is_behind)
                         UNION ALL
                         (SELECT id, false, lane_place FROM delivery
                          WHERE endpoint_id = wanted.endpoint_id AND lane = wanted.name AND state = 1 AND is_behind
                          ORDER BY lane_place LIMIT 1)
                     ) AS candidate ORDER BY is_claimed DESC, lane_place, id LIMIT 1
                 ) AS first
             ), changed AS (
                 SELECT id, false AS is_behind FROM front
                 UNION ALL
                 SELECT delivery.id, true FROM front JOIN delivery
                     ON delivery.endpoint_id = front.endpoint_id AND lane = front.name AND state = 1 AND NOT is_behind
                 WHERE delivery.id <> front.id
             )
             UPDATE delivery SET is_behind = changed.is_behind FROM changed
             WHERE delivery.id = changed.id AND delivery.is_behind <> changed.is_behind",
            &self.endpoints,
            &self.names,
        )
        .execute(connection)
        .await
        .map_err(failed)?;
        Ok(usize::try_from(settled.rows_affected()).unwrap_or(usize::MAX))
    }
}

/// The lane of what happened to `aggregate`; `None` when order does not matter.
pub(super) fn of(is_ordered: bool, aggregate: &str) -> Option<&str> {
    Some(aggregate).filter(|aggregate| is_ordered && !aggregate.is_empty())
}
