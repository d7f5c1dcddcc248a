//! Tells of what happened: an entry in the audit trail and, where others are told too, an event in the outbox.
//!
//! One statement does both. Every sign-in tells, and a transaction of three statements costs more than twice as much.

use sqlx::PgConnection;
use svc_kit::outbox::postgres::CHANNEL;

use super::failed;
use crate::{contract, domain::event::Event, ports::StoreError};

/// Tells of an event, in the transaction of the change that it tells of; without one it is a transaction by itself.
pub(super) async fn tell(connection: &mut PgConnection, event: &Event) -> Result<(), StoreError> {
    let (entry, message) = (contract::audit(event), contract::message(event));
    let details = serde_json::to_string(&entry.details).map_err(|error| StoreError::Failed(error.into()))?;
    let message = message.as_ref();
    sqlx::query!(
        r#"WITH entry AS (
               INSERT INTO audit_entry
                   (tenant_id, at_ms, action, actor, subject, user_id, application_id, ip_address, details_json)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
           ), event AS (
               INSERT INTO outbox (event_id, routing_key, body, traceparent, tracestate)
               SELECT $10::text, $11, $12, $13, $14 WHERE $10 IS NOT NULL RETURNING id
           )
           SELECT pg_notify($15, '') FROM event"#,
        entry.tenant,
        entry.at.as_ms(),
        entry.action,
        entry.actor,
        entry.subject,
        entry.user,
        entry.application,
        entry.from,
        details,
        message.map(|message| message.id.as_str()),
        message.map(|message| message.routing_key.as_str()),
        message.map(|message| &message.body[..]),
        message.map(|message| message.trace.traceparent.as_str()),
        message.map(|message| message.trace.tracestate.as_str()),
        CHANNEL,
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}
