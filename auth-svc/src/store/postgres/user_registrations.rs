//! Registrations of users in PostgreSQL.

use svc_kit::{clock::Timestamp, sql};

use super::{
    PostgresStore, failed, limit,
    revocations::{End, concluded_with},
    tell, unreadable,
};
use crate::{
    domain::{
        event::Event,
        user::{User, UserId},
        user_registration::{Standing, UserRegistration},
    },
    ports::{RevocationReason, StoreError, UserRegistrationStore},
};

/// What a registration violates whose user or application was deleted meanwhile.
const GONE: [&str; 2] = ["registration_of_user", "registration_for_application"];

struct Row {
    user_id: String,
    application_id: String,
    created_at_ms: i64,
}

impl TryFrom<Row> for UserRegistration {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            user: UserId::parse(&row.user_id).map_err(|_| unreadable("a stored user id is malformed"))?,
            application: row.application_id,
            created_at: Timestamp::from_ms(row.created_at_ms),
        })
    }
}

impl UserRegistrationStore for PostgresStore {
    async fn register_user(
        &self,
        registration: &UserRegistration,
        event: &Event,
    ) -> Result<Option<UserRegistration>, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let inserted = sqlx::query!(
            "INSERT INTO user_registration (user_id, application_id, created_at_ms) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
            registration.user.as_str(),
            registration.application,
            registration.created_at.as_ms()
        )
        .execute(&mut *transaction)
        .await;
        match inserted {
            Ok(inserted) if inserted.rows_affected() == 1 => {
                tell(&mut transaction, event).await?;
                transaction.commit().await.map_err(failed)?;
                Ok(Some(registration.clone()))
            }
            Ok(_) => {
                let there = self.user_registration(&registration.user, &registration.application).await?;
                Ok(there)
            }
            Err(error) if GONE.iter().any(|gone| sql::violates(&error, gone)) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    async fn standing(&self, user: &UserId, application: &str) -> Result<Option<Standing>, StoreError> {
        let standing = sqlx::query_as!(
            Standing,
            r#"SELECT epoch, is_disabled, EXISTS (
                   SELECT FROM user_registration WHERE user_id = "user".id AND application_id = $2
               ) AS "is_registered!"
               FROM "user" WHERE id = $1"#,
            user.as_str(),
            application
        );
        standing.fetch_optional(&self.pool).await.map_err(failed)
    }

    async fn is_registered(&self, user: &UserId, application: &str) -> Result<bool, StoreError> {
        Ok(self.user_registration(user, application).await?.is_some())
    }

    async fn user_registrations(
        &self,
        user: &UserId,
        after: &str,
        count: usize,
    ) -> Result<Vec<UserRegistration>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT * FROM user_registration WHERE user_id = $1 AND application_id COLLATE "C" > $2
               ORDER BY application_id COLLATE "C" LIMIT $3"#,
            user.as_str(),
            after,
            limit(count)
        );
        rows.fetch_all(&self.pool).await.map_err(failed)?.into_iter().map(UserRegistration::try_from).collect()
    }

    async fn deregister_user(&self, user: &User, application: &str, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let deleted = sqlx::query!(
            "DELETE FROM user_registration WHERE user_id = $1 AND application_id = $2",
            user.id.as_str(),
            application
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        let end = End { user, application, why: RevocationReason::RegistrationDeleted };
        concluded_with(transaction, &deleted, end, event).await
    }
}

impl PostgresStore {
    async fn user_registration(
        &self,
        user: &UserId,
        application: &str,
    ) -> Result<Option<UserRegistration>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            "SELECT * FROM user_registration WHERE user_id = $1 AND application_id = $2",
            user.as_str(),
            application
        );
        row.fetch_optional(&self.pool).await.map_err(failed)?.map(UserRegistration::try_from).transpose()
    }
}
