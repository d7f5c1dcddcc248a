//! Jobs that the replicas do in turns: a row says when the next step is made, and where it goes on.

use sqlx::PgConnection;
use svc_kit::clock::Timestamp;

use super::failed;
use crate::ports::StoreError;

/// Where a job goes on.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Tenant.
    pub(super) tenant: String,
    /// A position within that.
    pub(super) position: i64,
}

/// Takes the turn until the transaction ends; `None` when it is not time for it, or another replica is at it.
pub(super) async fn take(
    connection: &mut PgConnection,
    name: &str,
    now: Timestamp,
) -> Result<Option<Place>, StoreError> {
    sqlx::query_as!(
        Place,
        "SELECT tenant_id AS tenant, position FROM job WHERE name = $1 AND next_at_ms <= $2 FOR UPDATE SKIP LOCKED",
        name,
        now.as_ms()
    )
    .fetch_optional(connection)
    .await
    .map_err(failed)
}

/// Says where the next step goes on, and when.
pub(super) async fn leave(
    connection: &mut PgConnection,
    name: &str,
    place: &Place,
    next_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE job SET tenant_id = $2, position = $3, next_at_ms = $4 WHERE name = $1",
        name,
        place.tenant,
        place.position,
        next_at.as_ms(),
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}
