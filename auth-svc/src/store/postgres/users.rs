//! Users in PostgreSQL, and the orders to end their sessions.

use svc_kit::{clock::Timestamp, sql};

use super::{
    PostgresStore, failed, limit,
    revocations::{self, order},
    tell, unreadable,
};
use crate::{
    domain::{
        event::Event,
        user::{Claims, Description, Login, User, UserChange, UserId},
    },
    ports::{Described, Revocation, RevocationReason, StoreError, UserStore},
};

struct Row {
    id: String,
    tenant_id: String,
    login: String,
    name: String,
    password_hash: String,
    is_disabled: bool,
    epoch: i64,
    created_at_ms: i64,
    claims_json: String,
    is_email_verified: bool,
    updated_at_ms: i64,
    must_change_password: bool,
}

impl TryFrom<Row> for User {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: UserId::parse(&row.id).map_err(|_| unreadable("a stored user id is malformed"))?,
            tenant: row.tenant_id,
            login: Login::parse(&row.login).ok_or_else(|| unreadable("a stored login is malformed"))?,
            name: row.name,
            password_hash: row.password_hash,
            is_disabled: row.is_disabled,
            epoch: row.epoch,
            created_at: Timestamp::from_ms(row.created_at_ms),
            claims: serde_json::from_str(&row.claims_json)
                .map_err(|_| unreadable("the claims of a stored user are malformed"))?,
            is_email_verified: row.is_email_verified,
            updated_at: Timestamp::from_ms(row.updated_at_ms),
            must_change_password: row.must_change_password,
        })
    }
}

fn json(claims: &Claims) -> Result<String, StoreError> {
    serde_json::to_string(claims).map_err(|error| StoreError::Failed(error.into()))
}

impl UserStore for PostgresStore {
    async fn add_user(&self, user: &User, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let inserted = sqlx::query!(
            r#"INSERT INTO "user" (id, tenant_id, login, name, password_hash, is_disabled, epoch, created_at_ms,
                                   claims_json, is_email_verified, updated_at_ms, must_change_password)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"#,
            user.id.as_str(),
            user.tenant,
            user.login.as_str(),
            user.name,
            user.password_hash,
            user.is_disabled,
            user.epoch,
            user.created_at.as_ms(),
            json(&user.claims)?,
            user.is_email_verified,
            user.updated_at.as_ms(),
            user.must_change_password,
        )
        .execute(&mut *transaction)
        .await;
        match inserted {
            Ok(_) => {}
            Err(error) if sql::violates(&error, "one_login_per_tenant") => return Ok(false),
            Err(error) => return Err(failed(error)),
        }
        tell(&mut transaction, event).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }

    async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        let row = sqlx::query_as!(Row, r#"SELECT * FROM "user" WHERE id = $1"#, id.as_str());
        row.fetch_optional(&self.pool).await.map_err(failed)?.map(User::try_from).transpose()
    }

    async fn user_by_login(&self, tenant: &str, login: &Login) -> Result<Option<User>, StoreError> {
        let row =
            sqlx::query_as!(Row, r#"SELECT * FROM "user" WHERE tenant_id = $1 AND login = $2"#, tenant, login.as_str());
        row.fetch_optional(&self.pool).await.map_err(failed)?.map(User::try_from).transpose()
    }

    async fn users(&self, tenant: &str, after: &str, count: usize) -> Result<Vec<User>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT * FROM "user" WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3"#,
            tenant,
            after,
            limit(count)
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        rows.into_iter().map(User::try_from).collect()
    }

    async fn change_user(
        &self,
        id: &UserId,
        change: &UserChange,
        event: &Event,
        revoke: Option<RevocationReason>,
    ) -> Result<Option<User>, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        // One statement over the row as it is now, not as somebody read it before: of two changes at once the second
        // waits for the first and then builds on it.
        let changed = sqlx::query_as!(
            Row,
            r#"UPDATE "user" SET password_hash = coalesce($2, password_hash), is_disabled = coalesce($3, is_disabled),
                                 epoch = epoch + $4,
                                 must_change_password = coalesce($5, must_change_password)
               WHERE id = $1 AND is_disabled IS DISTINCT FROM $3 RETURNING *"#,
            id.as_str(),
            change.password_hash(),
            change.is_disabled(),
            change.epoch_step(),
            change.must_change_password(),
        )
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed)?;
        let Some(user) = changed.map(User::try_from).transpose()? else { return Ok(None) };
        if let Some(why) = revoke {
            order(&mut transaction, &user.tenant, user.id.as_str(), "", why).await?;
        }
        tell(&mut transaction, event).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(Some(user))
    }

    async fn describe_user(
        &self,
        id: &UserId,
        description: &Description,
        event: &Event,
    ) -> Result<Described, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let changed = sqlx::query_as!(
            Row,
            r#"UPDATE "user" SET login = coalesce($2, login), name = coalesce($3, name),
                                 claims_json = coalesce($4, claims_json),
                                 is_email_verified = coalesce($5, is_email_verified), updated_at_ms = $6,
                                 must_change_password = coalesce($7, must_change_password)
               WHERE id = $1 RETURNING *"#,
            id.as_str(),
            description.login.as_ref().map(Login::as_str),
            description.name.as_deref(),
            description.claims.as_ref().map(json).transpose()?,
            description.email_verified(),
            event.at.as_ms(),
            description.must_change_password,
        )
        .fetch_optional(&mut *transaction)
        .await;
        let user = match changed {
            Ok(Some(row)) => User::try_from(row)?,
            Ok(None) => return Ok(Described::Unknown),
            Err(error) if sql::violates(&error, "one_login_per_tenant") => return Ok(Described::LoginTaken),
            Err(error) => return Err(failed(error)),
        };
        tell(&mut transaction, event).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(Described::Done(Box::new(user)))
    }

    async fn replace_hash(&self, id: &UserId, old: &str, new: &str) -> Result<(), StoreError> {
        sqlx::query!(
            r#"UPDATE "user" SET password_hash = $3 WHERE id = $1 AND password_hash = $2"#,
            id.as_str(),
            old,
            new
        )
        .execute(&self.pool)
        .await
        .map_err(failed)?;
        Ok(())
    }

    async fn delete_user(&self, user: &User, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let deleted = sqlx::query!(r#"DELETE FROM "user" WHERE id = $1"#, user.id.as_str()).execute(&mut *transaction);
        if deleted.await.map_err(failed)?.rows_affected() == 0 {
            return Ok(false);
        }
        order(&mut transaction, &user.tenant, user.id.as_str(), "", RevocationReason::AccountDisabled).await?;
        tell(&mut transaction, event).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }

    async fn revocations(&self, now: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        revocations::due(&self.pool, now).await
    }

    async fn revocation_refused(&self, id: i64, due: Timestamp) -> Result<(), StoreError> {
        revocations::refused(&self.pool, id, due).await
    }

    async fn revoked(&self, id: i64) -> Result<(), StoreError> {
        revocations::done(&self.pool, id).await
    }

    async fn tell(&self, event: &Event) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        tell(&mut connection, event).await
    }
}
