//! What is good once, in PostgreSQL: identifiers of proofs, and pushed requests.

use svc_kit::clock::Timestamp;

use super::{PostgresStore, failed, unreadable};
use crate::{
    domain::pushed::Pushed,
    ports::{PushedStore, ReplayStore, StoreError},
    store::CODE_KEPT,
};

/// Most that is forgotten at once, so that nobody waits for it.
const FORGOTTEN_MAX: i64 = 5_000;

impl ReplayStore for PostgresStore {
    async fn is_first(&self, hash: [u8; 32], now: Timestamp, until: Timestamp) -> Result<bool, StoreError> {
        // One statement: what is there and over counts as not there.
        let noted = sqlx::query!(
            "INSERT INTO presented (hash, expires_at_ms) VALUES ($1, $2)
             ON CONFLICT (hash) DO UPDATE SET expires_at_ms = excluded.expires_at_ms WHERE presented.expires_at_ms <= $3",
            &hash[..],
            until.as_ms(),
            now.as_ms()
        )
        .execute(&self.pool)
        .await;
        Ok(noted.map_err(failed)?.rows_affected() == 1)
    }

    async fn forget_presented(&self, now: Timestamp) -> Result<u64, StoreError> {
        let forgotten = sqlx::query!(
            "DELETE FROM presented WHERE hash IN
                 (SELECT hash FROM presented WHERE expires_at_ms <= $1 ORDER BY expires_at_ms LIMIT $2)",
            now.as_ms(),
            FORGOTTEN_MAX
        )
        .execute(&self.pool)
        .await;
        Ok(forgotten.map_err(failed)?.rows_affected())
    }
}

impl PushedStore for PostgresStore {
    async fn add_pushed(&self, hash: [u8; 32], pushed: &Pushed, now: Timestamp) -> Result<(), StoreError> {
        let json = serde_json::to_string(&pushed.request).map_err(|error| StoreError::Failed(error.into()))?;
        let long_over = now.saturating_sub(CODE_KEPT).as_ms();
        sqlx::query!("DELETE FROM pushed_request WHERE expires_at_ms < $1", long_over)
            .execute(&self.pool)
            .await
            .map_err(failed)?;
        sqlx::query!(
            "INSERT INTO pushed_request (hash, request_json, expires_at_ms, is_spent) VALUES ($1, $2, $3, $4)",
            &hash[..],
            json,
            pushed.expires_at.as_ms(),
            pushed.is_spent
        )
        .execute(&self.pool)
        .await
        .map_err(failed)?;
        Ok(())
    }

    async fn pushed(&self, hash: [u8; 32]) -> Result<Option<Pushed>, StoreError> {
        let row =
            sqlx::query!("SELECT request_json, expires_at_ms, is_spent FROM pushed_request WHERE hash = $1", &hash[..])
                .fetch_optional(&self.pool)
                .await
                .map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        let request =
            serde_json::from_str(&row.request_json).map_err(|_| unreadable("a pushed request is malformed"))?;
        Ok(Some(Pushed { request, expires_at: Timestamp::from_ms(row.expires_at_ms), is_spent: row.is_spent }))
    }

    async fn spend_pushed(&self, hash: [u8; 32]) -> Result<bool, StoreError> {
        let spent =
            sqlx::query!("UPDATE pushed_request SET is_spent = true WHERE hash = $1 AND NOT is_spent", &hash[..])
                .execute(&self.pool)
                .await;
        Ok(spent.map_err(failed)?.rows_affected() == 1)
    }
}
