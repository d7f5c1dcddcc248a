//! The audit trail in PostgreSQL.

use svc_kit::clock::Timestamp;

use super::{PostgresStore, failed, limit, unreadable};
use crate::{
    domain::audit::{AuditEntry, AuditFilter},
    ports::{AuditStore, StoreError},
};

/// Most entries that are forgotten at once, so that nobody waits for it.
const FORGOTTEN_MAX: i64 = 5_000;

impl AuditStore for PostgresStore {
    async fn audit_entries(
        &self,
        filter: &AuditFilter,
        before: i64,
        count: usize,
    ) -> Result<Vec<(i64, AuditEntry)>, StoreError> {
        let rows = sqlx::query!(
            "SELECT * FROM audit_entry
             WHERE tenant_id = $1 AND id < $2 AND ($3 = '' OR actor = $3)
               AND ($4 = '' OR action = $4 OR starts_with(action, $4 || '.'))
               AND ($5 = '' OR $5 IN (subject, user_id, application_id))
               AND at_ms >= $6 AND at_ms < $7
             ORDER BY id DESC LIMIT $8",
            filter.tenant,
            before,
            filter.actor,
            filter.action,
            filter.subject,
            filter.after.as_ms(),
            filter.before.as_ms(),
            limit(count),
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            let details = serde_json::from_str(&row.details_json);
            let entry = AuditEntry {
                at: Timestamp::from_ms(row.at_ms),
                tenant: row.tenant_id,
                action: row.action,
                actor: row.actor,
                subject: row.subject,
                user: row.user_id,
                application: row.application_id,
                from: row.ip_address,
                details: details.map_err(|_| unreadable("the details of an audit entry are malformed"))?,
            };
            entries.push((row.id, entry));
        }
        Ok(entries)
    }

    async fn forget_audit_entries(&self, before: Timestamp) -> Result<u64, StoreError> {
        let forgotten = sqlx::query!(
            "DELETE FROM audit_entry WHERE id IN (SELECT id FROM audit_entry WHERE at_ms < $1 ORDER BY at_ms LIMIT $2)",
            before.as_ms(),
            FORGOTTEN_MAX
        )
        .execute(&self.pool)
        .await
        .map_err(failed)?;
        Ok(forgotten.rows_affected())
    }
}
