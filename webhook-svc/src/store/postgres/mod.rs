//! Everything in PostgreSQL. The rows are the truth; nothing that matters lives in memory only.

mod batches;
mod claims;
mod deliveries;
mod endpoints;
mod entries;
mod health;
mod hurry;
mod intake;
mod jobs;
mod lanes;
mod log;
mod managed;
mod manner;
mod partitions;
mod reconcile;
mod record;
mod replay;
mod retention;
mod rows;

use std::collections::HashSet;

use sqlx::PgPool;
use svc_kit::{clock::Timestamp, error::Kind, sql};

use crate::{
    domain::{
        delivery::{Attempt, Delivery, DeliveryId},
        endpoint::EndpointId,
    },
    ports::{
        ArrivalQuery, Claim, DeliveryQuery, DeliveryStore, Ended, LogPosition, LogStore, LoggedEvent, Outcome, Pace,
        ReconcileBounds, Reconciled, Redelivered, Replay, ReplayMode, Retained, Retention, Room, StoreError,
        UpkeepStore,
    },
};

/// The schema, one step a file.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// A store in PostgreSQL.
pub struct PostgresStore {
    pool: PgPool,
}

impl PostgresStore {
    /// Makes a store over a pool.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

/// What a failure of the database means to us.
fn failed(error: sqlx::Error) -> StoreError {
    match sql::kind_of(&error) {
        Kind::Unavailable => StoreError::Unavailable(Box::new(error)),
        _ => StoreError::Failed(Box::new(error)),
    }
}

impl DeliveryStore for PostgresStore {
    async fn accept(&self, events: &[LoggedEvent]) -> Result<usize, StoreError> {
        intake::accept(&self.pool, events).await
    }

    async fn accept_for(&self, event: &LoggedEvent, endpoint: &EndpointId) -> Result<Option<DeliveryId>, StoreError> {
        intake::accept_for(&self.pool, event, endpoint).await
    }

    async fn claim(&self, now: Timestamp, lease_until: Timestamp, room: &Room) -> Result<Vec<Claim>, StoreError> {
        claims::claim(&self.pool, now, lease_until, room).await
    }

    async fn next_due(&self, now: Timestamp, room: &Room) -> Result<Option<Timestamp>, StoreError> {
        claims::next_due(&self.pool, now, room).await
    }

    async fn record(&self, claim: &Claim, outcome: Outcome) -> Result<bool, StoreError> {
        record::record(&self.pool, claim, outcome).await
    }

    async fn record_taken(&self, ended: &[Ended]) -> Result<HashSet<DeliveryId>, StoreError> {
        record::record_taken(&self.pool, ended).await
    }

    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Vec<Delivery>, StoreError> {
        deliveries::list(&self.pool, query).await
    }

    async fn delivery(&self, id: &DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>, StoreError> {
        deliveries::get(&self.pool, id).await
    }

    async fn redeliver(&self, id: &DeliveryId, now: Timestamp) -> Result<Redelivered, StoreError> {
        deliveries::redeliver(&self.pool, id, now).await
    }

    async fn events(
        &self,
        tenant: &str,
        after: LogPosition,
        limit: usize,
    ) -> Result<Vec<(LogPosition, LoggedEvent)>, StoreError> {
        log::list(&self.pool, tenant, after, limit).await
    }
}

impl LogStore for PostgresStore {
    async fn log_end(&self, tenant: &str) -> Result<LogPosition, StoreError> {
        log::end(&self.pool, tenant).await
    }

    async fn arrivals(&self, query: &ArrivalQuery) -> Result<Vec<(LogPosition, LoggedEvent)>, StoreError> {
        log::arrivals(&self.pool, query).await
    }

    async fn replay(
        &self,
        tenant: &str,
        replays: &[Replay],
        pace: Pace,
        mode: ReplayMode,
    ) -> Result<usize, StoreError> {
        replay::replay(&self.pool, tenant, replays, pace, mode).await
    }
}

impl UpkeepStore for PostgresStore {
    async fn reconcile(&self, now: Timestamp, bounds: ReconcileBounds) -> Result<Reconciled, StoreError> {
        reconcile::reconcile(&self.pool, now, bounds).await
    }

    async fn retain(&self, now: Timestamp, rules: Retention) -> Result<Retained, StoreError> {
        retention::retain(&self.pool, now, rules).await
    }
}
