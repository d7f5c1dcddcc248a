//! Takes events off the bus: logs each once and makes its deliveries.

use bytes::Bytes;
use prost::Message as _;
use proto::event::v1 as pb;
use serde_json::{Map, Value, json};
use svc_kit::{
    bus::{Handler, Message, Outcome},
    clock::Timestamp,
    error::chain,
    telemetry::TraceContext,
};

use super::Webhooks;
use crate::ports::{DeliveryStore, LoggedEvent, StoreError};

impl<S: DeliveryStore> Webhooks<S> {
    /// Logs events and makes their deliveries, in one transaction.
    ///
    /// # Errors
    /// Failures of the store; then nothing happened.
    pub async fn accept(&self, events: &[LoggedEvent]) -> Result<(), StoreError> {
        if self.store.accept(events).await? > 0 {
            self.due.notify_one();
            self.arrivals.announce();
        }
        Ok(())
    }
}

/// Hands the bus's messages to [`Webhooks::accept`].
pub struct Intake<S>(pub std::sync::Arc<Webhooks<S>>);

impl<S: DeliveryStore> Handler for Intake<S> {
    async fn handle(&self, batch: &[Message]) -> Vec<Outcome> {
        let now = self.0.clock.now();
        let read: Vec<Option<LoggedEvent>> = batch.iter().map(|message| read(message, now)).collect();
        let events: Vec<LoggedEvent> = read.iter().flatten().cloned().collect();
        let stored = match self.0.accept(&events).await {
            Ok(()) => Outcome::Done,
            // Also for a fault of ours: an event is put aside only when it can never be read.
            Err(error) => {
                tracing::warn!(error = chain(&error), events = events.len(), "events cannot be stored now");
                Outcome::Retry
            }
        };
        read.iter().map(|event| if event.is_some() { stored } else { Outcome::Dead }).collect()
    }
}

/// Reads a message of the bus; `None` when it is not an event of the contract.
fn read(message: &Message, now: Timestamp) -> Option<LoggedEvent> {
    match logged(&message.body, &message.trace, now) {
        Ok(event) => Some(event),
        Err(problem) => {
            tracing::error!(event.id = message.id, problem, "a message is not an event; it is put aside");
            None
        }
    }
}

/// Makes the log entry of an encoded event.
///
/// # Errors
/// What is wrong with it.
pub fn logged(body: &Bytes, trace: &TraceContext, now: Timestamp) -> Result<LoggedEvent, &'static str> {
    let event = pb::Event::decode(&body[..]).map_err(|_| "it does not decode")?;
    if event.id.is_empty() || event.id.contains('.') || event.r#type.is_empty() || event.tenant_id.is_empty() {
        return Err("it lacks an id, a type or a tenant");
    }
    let occurred_at = event.occurred_at.as_ref().and_then(|at| Timestamp::from_proto(at).ok());
    let occurred_at = occurred_at.ok_or("it lacks a time")?;
    let payload = payload(&event, occurred_at).ok_or("it has no JSON form")?;
    Ok(LoggedEvent {
        id: event.id,
        tenant: event.tenant_id,
        event_type: event.r#type,
        application: event.application_id,
        user: event.user_id,
        aggregate: event.aggregate_id,
        occurred_at,
        received_at: now,
        payload,
        trace: trace.clone(),
    })
}

/// The webhook body: Standard Webhooks' `type`, `timestamp` and `data`, and what places the event.
fn payload(event: &pb::Event, occurred_at: Timestamp) -> Option<String> {
    let Value::Object(mut fields) = proto::json::to_value(event).ok()? else { return None };
    // The one field of the oneof is named after the type: `session.revoked` is `session_revoked`.
    let data = fields.remove(&event.r#type.replace('.', "_")).unwrap_or_else(|| json!({}));
    let mut body = Map::new();
    body.insert("type".to_owned(), event.r#type.clone().into());
    body.insert("timestamp".to_owned(), occurred_at.to_string().into());
    body.insert("id".to_owned(), event.id.clone().into());
    body.insert("tenant_id".to_owned(), event.tenant_id.clone().into());
    if event.sequence > 0 {
        body.insert("sequence".to_owned(), event.sequence.into());
    }
    body.insert("data".to_owned(), data);
    serde_json::to_string(&body).ok()
}
