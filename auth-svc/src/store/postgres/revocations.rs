//! Orders to session-svc, in PostgreSQL.

use sqlx::{PgConnection, PgPool, Postgres, Transaction, postgres::PgQueryResult};
use svc_kit::clock::Timestamp;

use super::{concluded, failed, limit, unreadable};
use crate::{
    domain::{event::Event, user::User},
    ports::{Revocation, RevocationReason, StoreError},
    store::REVOCATIONS_MAX,
};

const REASONS: [RevocationReason; 7] = [
    RevocationReason::AccountDisabled,
    RevocationReason::CredentialChange,
    RevocationReason::ApplicationRemoved,
    RevocationReason::ConsentWithdrawn,
    RevocationReason::RegistrationDeleted,
    RevocationReason::TenantState,
    RevocationReason::SessionPolicy,
];

fn name(reason: RevocationReason) -> &'static str {
    match reason {
        RevocationReason::AccountDisabled => "ACCOUNT_DISABLED",
        RevocationReason::CredentialChange => "CREDENTIAL_CHANGE",
        RevocationReason::ApplicationRemoved => "APPLICATION_REMOVED",
        RevocationReason::ConsentWithdrawn => "CONSENT_WITHDRAWN",
        RevocationReason::RegistrationDeleted => "REGISTRATION_DELETED",
        RevocationReason::TenantState => "TENANT_STATE",
        RevocationReason::SessionPolicy => "SESSION_POLICY",
    }
}

/// Writes an order, in the transaction of the change that demands it.
pub(super) async fn order(
    connection: &mut PgConnection,
    tenant: &str,
    user: &str,
    application: &str,
    reason: RevocationReason,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO revocation (tenant_id, user_id, application_id, reason) VALUES ($1, $2, $3, $4)",
        tenant,
        user,
        application,
        name(reason)
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

/// The end of a user's sessions in an application.
pub(super) struct End<'a> {
    pub(super) user: &'a User,
    pub(super) application: &'a str,
    pub(super) why: RevocationReason,
}

/// Ends the transaction in which something was deleted that let the user in: with the order to end the sessions and the
/// event, or, where nothing was deleted, without a trace.
pub(super) async fn concluded_with(
    mut transaction: Transaction<'_, Postgres>,
    deleted: &PgQueryResult,
    end: End<'_>,
    event: &Event,
) -> Result<bool, StoreError> {
    if deleted.rows_affected() > 0 {
        order(&mut transaction, &end.user.tenant, end.user.id.as_str(), end.application, end.why).await?;
    }
    concluded(transaction, deleted, event).await
}

pub(super) async fn due(pool: &PgPool, now: Timestamp) -> Result<Vec<Revocation>, StoreError> {
    let rows = sqlx::query!(
        "SELECT id, tenant_id, user_id, application_id, reason, refusals FROM revocation
         WHERE due_at_ms <= $1 ORDER BY due_at_ms, id LIMIT $2",
        now.as_ms(),
        limit(REVOCATIONS_MAX)
    )
    .fetch_all(pool)
    .await
    .map_err(failed)?;
    let mut orders = Vec::with_capacity(rows.len());
    for row in rows {
        let reason = REASONS.into_iter().find(|reason| name(*reason) == row.reason);
        orders.push(Revocation {
            id: row.id,
            tenant: row.tenant_id,
            user: row.user_id,
            application: row.application_id,
            reason: reason.ok_or_else(|| unreadable("a stored reason is unknown"))?,
            refusals: row.refusals,
        });
    }
    Ok(orders)
}

pub(super) async fn refused(pool: &PgPool, id: i64, due: Timestamp) -> Result<(), StoreError> {
    sqlx::query!("UPDATE revocation SET refusals = refusals + 1, due_at_ms = $2 WHERE id = $1", id, due.as_ms())
        .execute(pool)
        .await
        .map_err(failed)?;
    Ok(())
}

pub(super) async fn done(pool: &PgPool, id: i64) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM revocation WHERE id = $1", id).execute(pool).await.map_err(failed)?;
    Ok(())
}
