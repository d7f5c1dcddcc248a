//! API keys in PostgreSQL.

use svc_kit::clock::Timestamp;

use super::{PostgresStore, concluded, failed, limit, tell, unreadable};
use crate::{
    domain::{
        api_key::{ApiKey, ApiKeyId},
        application::{OldSecret, SecretHash},
        event::Event,
    },
    ports::{ApiKeyStore, StoreError},
};

struct Row {
    id: String,
    tenant_id: String,
    name: String,
    scopes: Vec<String>,
    hash: Vec<u8>,
    old_secret_hash: Option<Vec<u8>>,
    old_secret_until_ms: Option<i64>,
    created_at_ms: i64,
    created_by: String,
    expires_at_ms: i64,
    last_used_at_ms: Option<i64>,
    revision: i64,
}

impl TryFrom<Row> for ApiKey {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let malformed = || unreadable("a stored api key is malformed");
        let old_hash = row.old_secret_hash.as_deref().and_then(SecretHash::from_bytes);
        let old_secret = old_hash.zip(row.old_secret_until_ms);
        Ok(Self {
            id: ApiKeyId::parse(&row.id).map_err(|_| malformed())?,
            tenant: row.tenant_id,
            name: row.name,
            scopes: row.scopes,
            hash: SecretHash::from_bytes(&row.hash).ok_or_else(malformed)?,
            old_secret: old_secret.map(|(hash, ms)| OldSecret { hash, until: Timestamp::from_ms(ms) }),
            created_at: Timestamp::from_ms(row.created_at_ms),
            created_by: row.created_by,
            expires_at: Timestamp::from_ms(row.expires_at_ms),
            last_used_at: row.last_used_at_ms.map(Timestamp::from_ms),
            revision: row.revision,
        })
    }
}

impl ApiKeyStore for PostgresStore {
    async fn add_api_key(&self, key: &ApiKey, event: &Event) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        sqlx::query!(
            "INSERT INTO api_key (id, tenant_id, name, scopes, hash, created_at_ms, created_by, expires_at_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            key.id.as_str(),
            key.tenant,
            key.name,
            &key.scopes,
            key.hash.as_bytes(),
            key.created_at.as_ms(),
            key.created_by,
            key.expires_at.as_ms(),
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        tell(&mut transaction, event).await?;
        transaction.commit().await.map_err(failed)
    }

    async fn api_key(&self, id: &ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let row = sqlx::query_as!(Row, "SELECT * FROM api_key WHERE id = $1", id.as_str());
        row.fetch_optional(&self.pool).await.map_err(failed)?.map(ApiKey::try_from).transpose()
    }

    async fn api_keys(&self, tenant: &str, after: &str, count: usize) -> Result<Vec<ApiKey>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT * FROM api_key WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3",
            tenant,
            after,
            limit(count)
        );
        rows.fetch_all(&self.pool).await.map_err(failed)?.into_iter().map(ApiKey::try_from).collect()
    }

    async fn replace_api_key(&self, key: &ApiKey, event: &Event) -> Result<bool, StoreError> {
        let old = key.old_secret.as_ref();
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let replaced = sqlx::query!(
            "UPDATE api_key SET hash = $3, old_secret_hash = $4, old_secret_until_ms = $5, revision = revision + 1
             WHERE id = $1 AND revision = $2",
            key.id.as_str(),
            key.revision,
            key.hash.as_bytes(),
            old.map(|old| old.hash.as_bytes()),
            old.map(|old| old.until.as_ms()),
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        concluded(transaction, &replaced, event).await
    }

    async fn delete_api_key(&self, id: &ApiKeyId, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let deleted = sqlx::query!("DELETE FROM api_key WHERE id = $1", id.as_str()).execute(&mut *transaction).await;
        concluded(transaction, &deleted.map_err(failed)?, event).await
    }

    async fn api_key_used(&self, id: &ApiKeyId, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE api_key SET last_used_at_ms = $2 WHERE id = $1 AND coalesce(last_used_at_ms, 0) < $2",
            id.as_str(),
            at.as_ms()
        )
        .execute(&self.pool)
        .await
        .map_err(failed)?;
        Ok(())
    }
}
