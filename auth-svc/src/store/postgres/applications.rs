//! Tenants and applications in PostgreSQL.

use svc_kit::outbox;

use super::{PostgresStore, failed, limit, unreadable};
use crate::{
    contract,
    domain::{
        application::{Application, Client, SecretHash},
        event::Event,
    },
    ports::{ApplicationStore, StoreError},
};

struct Row {
    id: String,
    tenant_id: String,
    name: String,
    is_public: bool,
    secret_hash: Option<Vec<u8>>,
    redirect_uris: Vec<String>,
    post_logout_redirect_uris: Vec<String>,
    service_scopes: Vec<String>,
    is_application_managed: bool,
    keep_on_sso_logout: bool,
}

impl TryFrom<Row> for Application {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let hash = row.secret_hash.as_deref().and_then(SecretHash::from_bytes);
        let client = match (row.is_public, hash) {
            (true, None) => Client::Public,
            (false, Some(hash)) => Client::Confidential(hash),
            _ => return Err(unreadable("a stored application is neither public nor confidential")),
        };
        Ok(Self {
            id: row.id,
            tenant: row.tenant_id,
            name: row.name,
            client,
            redirect_uris: row.redirect_uris,
            post_logout_redirect_uris: row.post_logout_redirect_uris,
            service_scopes: row.service_scopes,
            is_application_managed: row.is_application_managed,
            keep_on_sso_logout: row.keep_on_sso_logout,
        })
    }
}

impl ApplicationStore for PostgresStore {
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

    async fn add_application(&self, application: &Application, event: &Event) -> Result<bool, StoreError> {
        let secret_hash = match &application.client {
            Client::Public => None,
            Client::Confidential(hash) => Some(hash.as_bytes().to_vec()),
        };
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let inserted = sqlx::query!(
            "INSERT INTO application (id, tenant_id, name, is_public, secret_hash, redirect_uris,
                                      post_logout_redirect_uris, service_scopes, is_application_managed, keep_on_sso_logout)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING",
            application.id,
            application.tenant,
            application.name,
            application.is_public(),
            secret_hash,
            &application.redirect_uris,
            &application.post_logout_redirect_uris,
            &application.service_scopes,
            application.is_application_managed,
            application.keep_on_sso_logout,
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        if inserted.rows_affected() == 0 {
            return Ok(false);
        }
        outbox::postgres::insert(&mut transaction, &contract::message(event)).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }

    async fn application(&self, id: &str) -> Result<Option<Application>, StoreError> {
        let row = sqlx::query_as!(Row, "SELECT * FROM application WHERE id = $1", id).fetch_optional(&self.pool).await;
        row.map_err(failed)?.map(Application::try_from).transpose()
    }

    async fn applications(&self, tenant: &str, after: &str, count: usize) -> Result<Vec<Application>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            "SELECT * FROM application WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3",
            tenant,
            after,
            limit(count)
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        rows.into_iter().map(Application::try_from).collect()
    }
}
