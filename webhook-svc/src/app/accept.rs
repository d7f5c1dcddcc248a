//! Takes events off the bus: logs each once and makes its deliveries.

use std::sync::Arc;

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
use tokio::sync::Semaphore;

use super::Webhooks;
use crate::{
    domain::logout::LogoutAddress,
    ports::{DeliveryStore, LoggedEvent, StoreError},
};

/// Batches that are stored at once: one while another waits for the disk. Those of a tenant take turns anyway, and more would wait
/// with a connection each that the engine needs, and whoever asks.
const BATCHES_AT_ONCE: usize = 2;
/// Longest id, type or name of an event, in bytes: far more than any has, and less than an index takes.
const NAME_BYTES_MAX: usize = 512;
/// What the types of events about applications begin with.
const APPLICATION_TYPES: &str = "application.";

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
pub struct Intake<S> {
    webhooks: Arc<Webhooks<S>>,
    places: Semaphore,
}

impl<S> Intake<S> {
    /// Makes one.
    pub fn new(webhooks: Arc<Webhooks<S>>) -> Self {
        Self { webhooks, places: Semaphore::new(BATCHES_AT_ONCE) }
    }
}

impl<S: DeliveryStore> Handler for Intake<S> {
    async fn handle(&self, batch: &[Message]) -> Vec<Outcome> {
        let now = self.webhooks.clock.now();
        let (mut events, mut addresses) = (Vec::new(), Vec::new());
        let mut are_read = Vec::with_capacity(batch.len());
        for message in batch {
            let read = read(message, now);
            are_read.push(read.is_some());
            if let Some((event, address)) = read {
                events.push(event);
                addresses.extend(address);
            }
        }
        let _place = self.places.acquire().await;
        let stored = match self.webhooks.take_in(&addresses, &events).await {
            Ok(()) => Outcome::Done,
            // Also for a fault of ours: an event is put aside only when it can never be read.
            Err(error) => {
                tracing::warn!(error = chain(&error), events = events.len(), "events cannot be stored now");
                Outcome::Retry
            }
        };
        are_read.into_iter().map(|is_read| if is_read { stored } else { Outcome::Dead }).collect()
    }
}

/// Reads a message of the bus, and where an application wants to be told, if that is what it says; `None` when it is not
/// an event of the contract.
fn read(message: &Message, now: Timestamp) -> Option<(LoggedEvent, Option<LogoutAddress>)> {
    let read = decode(&message.body).and_then(|event| {
        let address = logout_address(&event)?;
        Ok((entry(event, &message.trace, now)?, address))
    });
    match read {
        Ok(read) => Some(read),
        Err(problem) => {
            tracing::error!(event.id = message.id, problem, "a message is not an event; it is put aside");
            None
        }
    }
}

/// Where an application wants to be told, if that is what the event says.
fn logout_address(event: &pb::Event) -> Result<Option<LogoutAddress>, &'static str> {
    if !event.r#type.starts_with(APPLICATION_TYPES) {
        return Ok(None);
    }
    let (application, url) = match event.data.as_ref() {
        Some(Data::ApplicationCreated(created)) => (&created.application_id, created.backchannel_logout_uri.as_str()),
        Some(Data::ApplicationUpdated(updated)) => (&updated.application_id, updated.backchannel_logout_uri.as_str()),
        Some(Data::ApplicationDeleted(deleted)) => (&deleted.application_id, ""),
        _ => return Ok(None),
    };
    if !is_name(application) || url.chars().any(char::is_control) {
        return Err("its application or its logout address cannot be stored");
    }
    let Some(at) = event.occurred_at.as_ref().and_then(|at| Timestamp::from_proto(at).ok()) else { return Ok(None) };
    let url = (!url.is_empty()).then(|| url.to_owned());
    Ok(Some(LogoutAddress { tenant: event.tenant_id.clone(), application: application.clone(), url, at }))
}

/// Says whether PostgreSQL can store and find a text: what it refuses once it refuses for ever.
fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control)
}

/// Makes the log entry of an encoded event.
///
/// # Errors
/// What is wrong with it.
pub fn logged(body: &Bytes, trace: &TraceContext, now: Timestamp) -> Result<LoggedEvent, &'static str> {
    entry(decode(body)?, trace, now)
}

fn decode(body: &Bytes) -> Result<pb::Event, &'static str> {
    pb::Event::decode(&body[..]).map_err(|_| "it does not decode")
}

fn entry(event: pb::Event, trace: &TraceContext, now: Timestamp) -> Result<LoggedEvent, &'static str> {
    if event.id.is_empty() || event.id.contains('.') || event.r#type.is_empty() || event.tenant_id.is_empty() {
        return Err("it lacks an id, a type or a tenant");
    }
    let names =
        [&event.id, &event.r#type, &event.tenant_id, &event.application_id, &event.user_id, &event.aggregate_id];
    if !names.into_iter().all(|text| is_name(text)) {
        return Err("an id or its type is too long or has control characters");
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
        sequence: event.sequence,
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

#[cfg(test)]
mod tests {
    use svc_kit::clock::SystemClock;

    use super::*;
    use crate::app::tests::{self, START};

    fn event() -> pb::Event {
        pb::Event {
            id: "evt_1".to_owned(),
            r#type: "application.updated".to_owned(),
            tenant_id: "acme".to_owned(),
            occurred_at: Some(START.to_proto()),
            aggregate_id: "app_shop".to_owned(),
            user_id: "user_ada".to_owned(),
            application_id: "app_shop".to_owned(),
            data: updated("app_shop", "https://shop.example/logout"),
            ..pb::Event::default()
        }
    }

    fn updated(application: &str, url: &str) -> Option<Data> {
        let (application_id, backchannel_logout_uri) = (application.to_owned(), url.to_owned());
        Some(Data::ApplicationUpdated(pb::ApplicationUpdated {
            application_id,
            backchannel_logout_uri,
            ..Default::default()
        }))
    }

    fn message(event: &pb::Event) -> Message {
        let (id, routing_key) = (event.id.clone(), String::new());
        Message { id, routing_key, body: event.encode_to_vec().into(), trace: TraceContext::default() }
    }

    #[tokio::test]
    async fn what_can_never_be_stored_is_put_aside() {
        let fields: [fn(&mut pb::Event) -> &mut String; 6] = [
            |event| &mut event.id,
            |event| &mut event.r#type,
            |event| &mut event.tenant_id,
            |event| &mut event.application_id,
            |event| &mut event.user_id,
            |event| &mut event.aggregate_id,
        ];
        let mut bad = vec![
            pb::Event { data: updated("app\0shop", "https://shop.example/"), ..event() },
            pb::Event { data: updated(&"a".repeat(NAME_BYTES_MAX + 1), "https://shop.example/"), ..event() },
            pb::Event { data: updated("app_shop", "https://shop.example/\0"), ..event() },
        ];
        for field in fields {
            for text in ["a\0b".to_owned(), "a\nb".to_owned(), "a".repeat(NAME_BYTES_MAX + 1)] {
                let mut event = event();
                *field(&mut event) = text;
                bad.push(event);
            }
        }
        let mut long = event();
        for field in fields {
            *field(&mut long) = "a".repeat(NAME_BYTES_MAX);
        }
        let batch: Vec<Message> = bad.iter().chain([&event(), &long]).map(message).collect();
        let outcomes = Intake::new(tests::webhooks(Arc::new(SystemClock))).handle(&batch).await;
        let (last, first) = (&outcomes[bad.len()..], &outcomes[..bad.len()]);
        assert!(first.iter().all(|outcome| *outcome == Outcome::Dead), "{first:?}");
        assert_eq!(last, [Outcome::Done, Outcome::Done]);
    }
}
