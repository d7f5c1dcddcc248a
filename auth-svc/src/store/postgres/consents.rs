//! Consents in PostgreSQL.

use svc_kit::{clock::Timestamp, sql};

use super::{
    PostgresStore, concluded, failed, limit,
    revocations::{End, concluded_with},
    unreadable,
};
use crate::{
    domain::{
        consent::Consent,
        event::Event,
        user::{User, UserId},
    },
    ports::{ConsentStore, RevocationReason, StoreError},
};

/// What a consent violates whose user or application was deleted meanwhile.
const GONE: [&str; 2] = ["consent_of_user", "consent_to_application"];

struct Row {
    user_id: String,
    application_id: String,
    scopes: Vec<String>,
    given_at_ms: i64,
}

impl TryFrom<Row> for Consent {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            user: UserId::parse(&row.user_id).map_err(|_| unreadable("a stored user id is malformed"))?,
            application: row.application_id,
            scopes: row.scopes,
            given_at: Timestamp::from_ms(row.given_at_ms),
        })
    }
}

impl ConsentStore for PostgresStore {
    async fn consent(&self, user: &UserId, application: &str) -> Result<Option<Consent>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            "SELECT * FROM consent WHERE user_id = $1 AND application_id = $2",
            user.as_str(),
            application
        );
        row.fetch_optional(&self.pool).await.map_err(failed)?.map(Consent::try_from).transpose()
    }

    async fn consents(&self, user: &UserId, after: &str, count: usize) -> Result<Vec<Consent>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT * FROM consent WHERE user_id = $1 AND application_id COLLATE "C" > $2
               ORDER BY application_id COLLATE "C" LIMIT $3"#,
            user.as_str(),
            after,
            limit(count)
        );
        rows.fetch_all(&self.pool).await.map_err(failed)?.into_iter().map(Consent::try_from).collect()
    }

    async fn give_consent(&self, consent: &Consent, event: &Event) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let given = sqlx::query!(
            "INSERT INTO consent (user_id, application_id, scopes, given_at_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (user_id, application_id) DO UPDATE SET given_at_ms = excluded.given_at_ms,
                 scopes = ARRAY(SELECT unnest(consent.scopes || excluded.scopes) AS scope GROUP BY scope ORDER BY scope)",
            consent.user.as_str(),
            consent.application,
            &consent.scopes,
            consent.given_at.as_ms()
        )
        .execute(&mut *transaction)
        .await;
        match given {
            Ok(given) => concluded(transaction, &given, event).await.map(drop),
            Err(error) if GONE.iter().any(|gone| sql::violates(&error, gone)) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    async fn withdraw_consent(&self, user: &User, application: &str, event: &Event) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let deleted = sqlx::query!(
            "DELETE FROM consent WHERE user_id = $1 AND application_id = $2",
            user.id.as_str(),
            application
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        let end = End { user, application, why: RevocationReason::ConsentWithdrawn };
        concluded_with(transaction, &deleted, end, event).await
    }
}
