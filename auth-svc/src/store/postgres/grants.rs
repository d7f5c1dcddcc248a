//! Signing keys and authorization codes in PostgreSQL.

use svc_kit::{clock::Timestamp, sql};

use super::{PostgresStore, failed, unreadable};
use crate::{
    domain::grant::Grant,
    ports::{GrantStore, StoreError, StoredKey, TakenCode},
    store::CODE_KEPT,
};

impl GrantStore for PostgresStore {
    async fn keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        let rows = sqlx::query!("SELECT id, private_key, is_active, created_at_ms FROM signing_key")
            .fetch_all(&self.pool)
            .await
            .map_err(failed)?;
        let key = |id, sealed, is_active, ms| StoredKey { id, sealed, is_active, created_at: Timestamp::from_ms(ms) };
        Ok(rows.into_iter().map(|row| key(row.id, row.private_key, row.is_active, row.created_at_ms)).collect())
    }

    async fn add_key(&self, key: &StoredKey) -> Result<bool, StoreError> {
        let inserted = sqlx::query!(
            "INSERT INTO signing_key (id, private_key, is_active, created_at_ms) VALUES ($1, $2, $3, $4)",
            key.id,
            key.sealed,
            key.is_active,
            key.created_at.as_ms()
        )
        .execute(&self.pool)
        .await;
        match inserted {
            Ok(_) => Ok(true),
            Err(error) if sql::violates(&error, "one_active_signing_key") => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

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
