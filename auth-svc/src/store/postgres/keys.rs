//! Signing keys in PostgreSQL.

use sqlx::PgConnection;
use svc_kit::{clock::Timestamp, sql};

use super::{PostgresStore, concluded, failed, tell, unreadable};
use crate::{
    domain::{
        event::Event,
        keys::{KeyState, SigningAlgorithm},
    },
    ports::{KeyStore, StoreError, StoredKey},
};

impl KeyStore for PostgresStore {
    async fn keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        let rows = sqlx::query!(
            "SELECT id, algorithm, state, since_ms, private_key, created_at_ms FROM signing_key ORDER BY id"
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        let mut keys = Vec::with_capacity(rows.len());
        for row in rows {
            let strange = || unreadable("a stored key is of an unknown algorithm or state");
            keys.push(StoredKey {
                id: row.id,
                algorithm: SigningAlgorithm::parse(&row.algorithm).ok_or_else(strange)?,
                state: KeyState::parse(&row.state).ok_or_else(strange)?,
                since: Timestamp::from_ms(row.since_ms),
                sealed: row.private_key,
                created_at: Timestamp::from_ms(row.created_at_ms),
            });
        }
        Ok(keys)
    }

    async fn add_key(&self, key: &StoredKey, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let inserted = sqlx::query!(
            "INSERT INTO signing_key (id, algorithm, state, since_ms, private_key, created_at_ms)
             VALUES ($1, $2, $3, $4, $5, $6)",
            key.id,
            key.algorithm.name(),
            key.state.name(),
            key.since.as_ms(),
            key.sealed,
            key.created_at.as_ms()
        )
        .execute(&mut *transaction)
        .await;
        match inserted {
            Ok(inserted) => concluded(transaction, &inserted, event).await,
            Err(error) if sql::violates(&error, "one_active_key") || sql::violates(&error, "one_pending_key") => {
                Ok(false)
            }
            Err(error) => Err(failed(error)),
        }
    }

    async fn activate_key(&self, id: &str, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        // Locked first, so that of two processes that do the same one waits and then finds it done.
        let pending =
            sqlx::query!("SELECT algorithm FROM signing_key WHERE id = $1 AND state = 'pending' FOR UPDATE", id)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(failed)?;
        let Some(pending) = pending else { return Ok(false) };
        sqlx::query!(
            "UPDATE signing_key SET state = 'retiring', since_ms = $2 WHERE algorithm = $1 AND state = 'active'",
            pending.algorithm,
            event.at.as_ms()
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        sqlx::query!("UPDATE signing_key SET state = 'active', since_ms = $2 WHERE id = $1", id, event.at.as_ms())
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        tell(&mut transaction, event).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }

    async fn remove_key(&self, id: &str, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let removed = sqlx::query!("DELETE FROM signing_key WHERE id = $1 AND state = 'retiring'", id);
        let removed = removed.execute(&mut *transaction).await.map_err(failed)?;
        concluded(transaction, &removed, event).await
    }
    async fn revoke_key(
        &self,
        key: &StoredKey,
        successor: Option<&StoredKey>,
        event: &Event,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let state = key.state.name();
        let removed = sqlx::query!("DELETE FROM signing_key WHERE id = $1 AND state = $2", key.id, state);
        let removed = removed.execute(&mut *transaction).await.map_err(failed)?;
        if removed.rows_affected() > 0
            && let Some(next) = successor
            && !let_sign(&mut transaction, next).await?
        {
            return Ok(false);
        }
        concluded(transaction, &removed, event).await
    }
}

/// Keeps a key as the one that signs, whether it waits already or is new; `false` when another one signs.
async fn let_sign(connection: &mut PgConnection, key: &StoredKey) -> Result<bool, StoreError> {
    let kept = sqlx::query!(
        "INSERT INTO signing_key (id, algorithm, state, since_ms, private_key, created_at_ms)
         VALUES ($1, $2, 'active', $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET state = 'active', since_ms = excluded.since_ms",
        key.id,
        key.algorithm.name(),
        key.since.as_ms(),
        key.sealed,
        key.created_at.as_ms()
    )
    .execute(connection)
    .await;
    match kept {
        Ok(_) => Ok(true),
        Err(error) if sql::violates(&error, "one_active_key") => Ok(false),
        Err(error) => Err(failed(error)),
    }
}
