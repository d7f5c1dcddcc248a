//! Authorization codes in PostgreSQL.

use svc_kit::clock::Timestamp;

use super::{PostgresStore, failed, unreadable};
use crate::{
    domain::grant::Grant,
    ports::{GrantStore, StoreError, TakenCode},
    store::CODE_KEPT,
};

impl GrantStore for PostgresStore {
    async fn add_code(
        &self,
        hash: [u8; 32],
        grant: &Grant,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let json = serde_json::to_string(grant).map_err(|error| StoreError::Failed(error.into()))?;
        let long_over = now.saturating_sub(CODE_KEPT).as_ms();
        sqlx::query!("DELETE FROM authorization_code WHERE expires_at_ms < $1", long_over)
            .execute(&self.pool)
            .await
            .map_err(failed)?;
        sqlx::query!(
            "INSERT INTO authorization_code (hash, grant_json, expires_at_ms) VALUES ($1, $2, $3)",
            &hash[..],
            json,
            expires_at.as_ms()
        )
        .execute(&self.pool)
        .await
        .map_err(failed)?;
        Ok(())
    }

    async fn take_code(&self, hash: [u8; 32], now: Timestamp) -> Result<TakenCode, StoreError> {
        let taken = sqlx::query!(
            "UPDATE authorization_code SET is_used = true WHERE hash = $1 AND NOT is_used AND expires_at_ms > $2
             RETURNING grant_json",
            &hash[..],
            now.as_ms()
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(failed)?;
        if let Some(row) = taken {
            let grant = serde_json::from_str(&row.grant_json).map_err(|_| unreadable("a stored grant is malformed"))?;
            return Ok(TakenCode::Good(Box::new(grant)));
        }
        let spent = sqlx::query!("SELECT session_id FROM authorization_code WHERE hash = $1 AND is_used", &hash[..])
            .fetch_optional(&self.pool)
            .await
            .map_err(failed)?;
        Ok(spent.map_or(TakenCode::Unknown, |row| TakenCode::Spent(row.session_id)))
    }

    async fn code_led_to(&self, hash: [u8; 32], session: &str) -> Result<(), StoreError> {
        sqlx::query!("UPDATE authorization_code SET session_id = $2 WHERE hash = $1", &hash[..], session)
            .execute(&self.pool)
            .await
            .map_err(failed)?;
        Ok(())
    }
}
