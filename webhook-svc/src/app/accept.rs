//! Takes events off the bus: logs each once and makes its deliveries.

use bytes::Bytes;
use prost::Message as _;
use proto::event::v1::{self as pb, event::Data};
use serde_json::{Map, Value, json};
use svc_kit::{
    bus::{Handler, Message, Outcome},
    clock::Timestamp,
    error::chain,
    telemetry::TraceContext,
};

use super::Webhooks;
use crate::{
    domain::logout::LogoutAddress,
    ports::{DeliveryStore, LoggedEvent, StoreError},
};

impl<S: DeliveryStore> Webhooks<S> {
    /// Takes in what the bus brought: first where applications want to be told, then the events. Either can be repeated.
    async fn take_in(&self, addresses: &[LogoutAddress], events: &[LoggedEvent]) -> Result<(), StoreError> {
        for address in addresses {
            self.store.put_logout_address(address).await?;
        }
        self.accept(events).await
    }

    /// Logs events and makes their deliveries, in one transaction.
    ///
    /// # Errors
    /// Failures of the store; then nothing happened.
    pub async fn accept(&self, events: &[LoggedEvent]) -> Result<(), StoreError> {
        if self.store.accept(events).await? > 0 {
            self.due.notify_one();
            self.arrivals.announce(events.iter().map(|event| event.tenant.as_str()));
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
        let addresses: Vec<LogoutAddress> = batch.iter().filter_map(|message| logout_address(&message.body)).collect();
        let stored = match self.0.take_in(&addresses, &events).await {
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

/// Where an application wants to be told, if that is what the event says.
fn logout_address(body: &Bytes) -> Option<LogoutAddress> {
    let event = pb::Event::decode(&body[..]).ok()?;
    let (application, url) = match event.data? {
        Data::ApplicationCreated(created) => (created.application_id, created.backchannel_logout_uri),
        Data::ApplicationUpdated(updated) => (updated.application_id, updated.backchannel_logout_uri),
        Data::ApplicationDeleted(deleted) => (deleted.application_id, String::new()),
        _ => return None,
    };
    let at = event.occurred_at.as_ref().and_then(|at| Timestamp::from_proto(at).ok())?;
    Some(LogoutAddress { tenant: event.tenant_id, application, url: (!url.is_empty()).then_some(url), at })
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
