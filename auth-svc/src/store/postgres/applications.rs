//! Applications in PostgreSQL.

use svc_kit::clock::Timestamp;

use super::{
    PostgresStore, failed, limit,
    revocations::order,
    session_policies::{column, of_column, order_policy},
    tell, unreadable,
};
use crate::{
    domain::{
        application::{Application, Client, OldSecret, SecretHash},
        event::Event,
        settings::ClientSettings,
    },
    ports::{ApplicationStore, RevocationReason, StoreError},
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
    settings_json: String,
    session_policy_json: Option<String>,
    old_secret_hash: Option<Vec<u8>>,
    old_secret_until_ms: Option<i64>,
    revision: i64,
}

impl TryFrom<Row> for Application {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let hash = row.secret_hash.as_deref().and_then(SecretHash::from_bytes);
        let client = match (row.is_public, hash) {
            (true, None) => Client::Public,
            (false, Some(hash)) => Client::Confidential(hash),
            (false, None) if row.secret_hash.is_none() => Client::PrivateKey,
            _ => return Err(unreadable("a stored application is neither public nor confidential")),
        };
        let old_hash = row.old_secret_hash.as_deref().and_then(SecretHash::from_bytes);
        let old_secret = old_hash.zip(row.old_secret_until_ms);
        let settings = serde_json::from_str(&row.settings_json);
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
            old_secret: old_secret.map(|(hash, ms)| OldSecret { hash, until: Timestamp::from_ms(ms) }),
            settings: settings.map_err(|_| unreadable("the settings of a stored application are malformed"))?,
            session_policy: of_column(row.session_policy_json.as_deref())?,
            revision: row.revision,
        })
    }
}

/// The values of an application that are not of a type that a column has.
struct Columns {
    secret_hash: Option<Vec<u8>>,
    old_secret_hash: Option<Vec<u8>>,
    old_secret_until_ms: Option<i64>,
    settings_json: String,
    session_policy_json: Option<String>,
}

impl Columns {
    fn of(application: &Application) -> Result<Self, StoreError> {
        let secret_hash = match &application.client {
            Client::Public | Client::PrivateKey => None,
            Client::Confidential(hash) => Some(hash.as_bytes().to_vec()),
        };
        let old = application.old_secret.as_ref();
        let settings: &ClientSettings = &application.settings;
        Ok(Self {
            secret_hash,
            old_secret_hash: old.map(|old| old.hash.as_bytes().to_vec()),
            old_secret_until_ms: old.map(|old| old.until.as_ms()),
            settings_json: serde_json::to_string(settings).map_err(|error| StoreError::Failed(error.into()))?,
            session_policy_json: column(&application.session_policy)?,
        })
    }
}

impl ApplicationStore for PostgresStore {
    async fn add_application(&self, application: &Application, event: &Event) -> Result<bool, StoreError> {
        let columns = Columns::of(application)?;
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let inserted = sqlx::query!(
            "INSERT INTO application (id, tenant_id, name, is_public, secret_hash, redirect_uris,
                                      post_logout_redirect_uris, service_scopes, is_application_managed, keep_on_sso_logout,
                                      settings_json, session_policy_json)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING",
            application.id,
            application.tenant,
            application.name,
            application.is_public(),
            columns.secret_hash,
            &application.redirect_uris,
            &application.post_logout_redirect_uris,
            &application.service_scopes,
            application.is_application_managed,
            application.keep_on_sso_logout,
            columns.settings_json,
            columns.session_policy_json,
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        if inserted.rows_affected() == 0 {
            return Ok(false);
        }
        if !application.session_policy.is_empty() {
            order_policy(&mut transaction, &application.tenant, &application.id).await?;
        }
        tell(&mut transaction, event).await?;
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

    async fn replace_application(&self, application: &Application, event: &Event) -> Result<bool, StoreError> {
        let columns = Columns::of(application)?;
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let before = sqlx::query!(
            "SELECT session_policy_json FROM application WHERE id = $1 AND revision = $2 FOR UPDATE",
            application.id,
            application.revision,
        )
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed)?;
        let Some(before) = before else { return Ok(false) };
        sqlx::query!(
            "UPDATE application SET name = $2, secret_hash = $3, redirect_uris = $4, post_logout_redirect_uris = $5,
                                    service_scopes = $6, is_application_managed = $7, keep_on_sso_logout = $8,
                                    settings_json = $9, session_policy_json = $10, old_secret_hash = $11,
                                    old_secret_until_ms = $12, revision = revision + 1
             WHERE id = $1",
            application.id,
            application.name,
            columns.secret_hash,
            &application.redirect_uris,
            &application.post_logout_redirect_uris,
            &application.service_scopes,
            application.is_application_managed,
            application.keep_on_sso_logout,
            columns.settings_json,
            columns.session_policy_json,
            columns.old_secret_hash,
            columns.old_secret_until_ms,
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        if of_column(before.session_policy_json.as_deref())? != application.session_policy {
            order_policy(&mut transaction, &application.tenant, &application.id).await?;
        }
        tell(&mut transaction, event).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }

    async fn delete_application(&self, application: &Application, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let deleted = sqlx::query!("DELETE FROM application WHERE id = $1", application.id).execute(&mut *transaction);
        if deleted.await.map_err(failed)?.rows_affected() == 0 {
            return Ok(false);
        }
        let why = RevocationReason::ApplicationRemoved;
        order(&mut transaction, &application.tenant, "", &application.id, why).await?;
        order_policy(&mut transaction, &application.tenant, &application.id).await?;
        tell(&mut transaction, event).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }
}
