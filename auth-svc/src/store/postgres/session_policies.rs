//! Session policies in PostgreSQL: a column of the tenant or of the application.

use sqlx::PgConnection;

use super::{PostgresStore, failed, limit, revocations::order, unreadable};
use crate::{
    domain::session_policy::{PolicyScope, SessionPolicy},
    ports::{RevocationReason, SessionPolicyStore, StoreError},
};

/// The column's value; null for a policy that says nothing.
pub(super) fn column(policy: &SessionPolicy) -> Result<Option<String>, StoreError> {
    let json = (!policy.is_empty()).then(|| serde_json::to_string(policy)).transpose();
    json.map_err(|error| StoreError::Failed(error.into()))
}

pub(super) fn of_column(json: Option<&str>) -> Result<SessionPolicy, StoreError> {
    let policy = json.map(serde_json::from_str).transpose();
    Ok(policy.map_err(|_| unreadable("a stored session policy is malformed"))?.unwrap_or_default())
}

/// Writes the order to put a policy in force, in the transaction of the change; an empty application means the tenant's.
pub(super) async fn order_policy(
    connection: &mut PgConnection,
    tenant: &str,
    application: &str,
) -> Result<(), StoreError> {
    order(connection, tenant, "", application, RevocationReason::SessionPolicy).await
}

impl SessionPolicyStore for PostgresStore {
    async fn session_policies(
        &self,
        after: &PolicyScope,
        count: usize,
    ) -> Result<Vec<(PolicyScope, SessionPolicy)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT tenant_id AS "tenant_id!", application_id AS "application_id!", json AS "json!" FROM (
                   SELECT id AS tenant_id, '' AS application_id, session_policy_json AS json
                   FROM tenant WHERE session_policy_json IS NOT NULL
                   UNION ALL
                   SELECT tenant_id, id AS application_id, session_policy_json AS json
                   FROM application WHERE session_policy_json IS NOT NULL
               ) AS policy
               WHERE (tenant_id, application_id) > ($1, $2) ORDER BY tenant_id, application_id LIMIT $3"#,
            after.tenant,
            after.application,
            limit(count)
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        let mut policies = Vec::with_capacity(rows.len());
        for row in rows {
            let scope = PolicyScope { tenant: row.tenant_id, application: row.application_id };
            policies.push((scope, of_column(Some(&row.json))?));
        }
        Ok(policies)
    }
}
