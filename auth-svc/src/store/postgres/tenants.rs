//! Tenants in PostgreSQL.

use svc_kit::clock::Timestamp;

use super::{
    PostgresStore, failed, limit,
    revocations::order,
    session_policies::{column, of_column, order_policy},
    tell, unreadable,
};
use crate::{
    domain::{
        event::Event,
        tenant::{Tenant, TenantSettings},
    },
    ports::{RevocationReason, StoreError, TenantStore},
};

struct Row {
    id: String,
    name: String,
    is_suspended: bool,
    settings_json: String,
    session_policy_json: Option<String>,
    created_at_ms: i64,
    updated_at_ms: i64,
    revision: i64,
}

impl TryFrom<Row> for Tenant {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            name: row.name,
            is_suspended: row.is_suspended,
            settings: serde_json::from_str(&row.settings_json)
                .map_err(|_| unreadable("the settings of a stored tenant are malformed"))?,
            session_policy: of_column(row.session_policy_json.as_deref())?,
            created_at: Timestamp::from_ms(row.created_at_ms),
            updated_at: Timestamp::from_ms(row.updated_at_ms),
            revision: row.revision,
        })
    }
}

fn json(settings: &TenantSettings) -> Result<String, StoreError> {
    serde_json::to_string(settings).map_err(|error| StoreError::Failed(error.into()))
}

impl TenantStore for PostgresStore {
    async fn ensure_tenant(&self, id: &str, name: &str) -> Result<(), StoreError> {
        sqlx::query!("INSERT INTO tenant (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING", id, name)
            .execute(&self.pool)
            .await
            .map_err(failed)?;
        Ok(())
    }

    async fn has_tenant(&self, id: &str) -> Result<bool, StoreError> {
        let found = sqlx::query!("SELECT id FROM tenant WHERE id = $1", id).fetch_optional(&self.pool).await;
        Ok(found.map_err(failed)?.is_some())
    }

    async fn add_tenant(&self, tenant: &Tenant, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let inserted = sqlx::query!(
            "INSERT INTO tenant (id, name, is_suspended, settings_json, session_policy_json, created_at_ms, updated_at_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
            tenant.id,
            tenant.name,
            tenant.is_suspended,
            json(&tenant.settings)?,
            column(&tenant.session_policy)?,
            tenant.created_at.as_ms(),
            tenant.updated_at.as_ms(),
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        if inserted.rows_affected() == 0 {
            return Ok(false);
        }
        if !tenant.session_policy.is_empty() {
            order_policy(&mut transaction, &tenant.id, "").await?;
        }
        tell(&mut transaction, event).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }

    async fn tenant(&self, id: &str) -> Result<Option<Tenant>, StoreError> {
        let row = sqlx::query_as!(Row, "SELECT * FROM tenant WHERE id = $1", id).fetch_optional(&self.pool).await;
        row.map_err(failed)?.map(Tenant::try_from).transpose()
    }

    async fn tenants(&self, after: &str, count: usize) -> Result<Vec<Tenant>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT * FROM tenant WHERE id COLLATE "C" > $1 ORDER BY id COLLATE "C" LIMIT $2"#,
            after,
            limit(count)
        );
        rows.fetch_all(&self.pool).await.map_err(failed)?.into_iter().map(Tenant::try_from).collect()
    }

    async fn replace_tenant(&self, tenant: &Tenant, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let before = sqlx::query!(
            "SELECT is_suspended, session_policy_json FROM tenant WHERE id = $1 AND revision = $2 FOR UPDATE",
            tenant.id,
            tenant.revision
        )
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed)?;
        let Some(before) = before else { return Ok(false) };
        let session_policy = column(&tenant.session_policy)?;
        sqlx::query!(
            "UPDATE tenant SET name = $2, is_suspended = $3, settings_json = $4, session_policy_json = $5, updated_at_ms = $6,
                               revision = revision + 1
             WHERE id = $1",
            tenant.id,
            tenant.name,
            tenant.is_suspended,
            json(&tenant.settings)?,
            session_policy,
            tenant.updated_at.as_ms(),
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        if before.is_suspended != tenant.is_suspended {
            order(&mut transaction, &tenant.id, "", "", RevocationReason::TenantState).await?;
        }
        if of_column(before.session_policy_json.as_deref())? != tenant.session_policy {
            order_policy(&mut transaction, &tenant.id, "").await?;
        }
        tell(&mut transaction, event).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }
}
