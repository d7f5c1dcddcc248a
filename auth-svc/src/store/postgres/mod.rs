//! The directory in PostgreSQL. A change, its event and what must follow from it are one transaction.

mod api_keys;
mod applications;
mod audit;
mod consents;
mod devices;
mod grants;
mod keys;
mod once;
mod revocations;
mod session_policies;
mod tell;
mod tenants;
mod user_registrations;
mod users;

use sqlx::{PgPool, Postgres, Transaction, postgres::PgQueryResult};
use svc_kit::{error::Kind, sql};

use self::tell::tell;
use crate::{domain::event::Event, ports::StoreError};

/// The schema, one step a file.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// A directory in PostgreSQL.
pub struct PostgresStore {
    pool: PgPool,
}

impl PostgresStore {
    /// Makes a directory over a pool.
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

/// Ends the transaction of a change: with its event, or, where nothing was changed, without a trace.
async fn concluded(
    mut transaction: Transaction<'_, Postgres>,
    change: &PgQueryResult,
    event: &Event,
) -> Result<bool, StoreError> {
    if change.rows_affected() == 0 {
        return Ok(false);
    }
    tell(&mut transaction, event).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(true)
}

fn unreadable(what: &'static str) -> StoreError {
    StoreError::Failed(what.into())
}

fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
