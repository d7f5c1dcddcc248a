//! Manages endpoints.

use std::time::Duration;

use prost::Message as _;
use proto::event::v1 as pb;
use secrecy::SecretString;
use svc_kit::{access::Caller, clock::Timestamp, entropy, id::encode_base32, telemetry::TraceContext};

use super::{
    Webhooks,
    accept::logged,
    manner::{MannerChange, NewManner},
};
use crate::{
    domain::{
        delivery::DeliveryId,
        endpoint::{Endpoint, EndpointId, EventPattern, Kind, PING},
        limits::{Concurrency, Limits, RateLimit},
        signature::Scheme,
        signing::Signing,
    },
    error::WebhookError,
    ports::DeliveryStore,
};

/// Most endpoints of a tenant.
pub const ENDPOINTS_MAX: usize = 1_000;

/// What to create.
#[derive(Clone, Debug)]
pub struct NewEndpoint {
    /// Tenant.
    pub tenant: String,
    /// Address.
    pub url: String,
    /// Name for people.
    pub description: String,
    /// Which types.
    pub event_types: Vec<EventPattern>,
    /// Of which applications.
    pub applications: Vec<String>,
    /// How much it is sent.
    pub limits: Limits,
    /// Whether events of one session are sent one after the other.
    pub is_ordered: bool,
    /// How its requests are signed.
    pub scheme: Scheme,
    /// What else is said about them.
    pub manner: NewManner,
}

/// What to change; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct EndpointChange {
    /// Address.
    pub url: Option<String>,
    /// Name for people.
    pub description: Option<String>,
    /// Which types.
    pub event_types: Option<Vec<EventPattern>>,
    /// Of which applications.
    pub applications: Option<Vec<String>>,
    /// Whether it gets events.
    pub is_enabled: Option<bool>,
    /// Attempts under way at once.
    pub concurrency: Option<Concurrency>,
    /// Attempts in a second; `Some(None)` means any number.
    pub rate: Option<Option<RateLimit>>,
    /// Whether events of one session are sent one after the other.
    pub is_ordered: Option<bool>,
    /// How its requests are signed.
    pub scheme: Option<Scheme>,
    /// What else is said about them.
    pub manner: MannerChange,
}

impl<S: DeliveryStore> Webhooks<S> {
    /// Creates an endpoint; returns its secret too, if it has one.
    ///
    /// # Errors
    /// [`WebhookError::UrlRefused`], [`WebhookError::TooManyEndpoints`], a field that cannot be accepted, or a failure of the
    /// store.
    pub async fn create_endpoint(&self, new: NewEndpoint) -> Result<(Endpoint, Option<SecretString>), WebhookError> {
        self.egress.check_url(&new.url).map_err(WebhookError::UrlRefused)?;
        let (id, now) = (EndpointId::generate(&*self.entropy), self.clock.now());
        let (signing, secret) = self.fit(&id, Signing::default(), new.scheme)?;
        let endpoint = Endpoint {
            signing,
            manner: self.manner(&id, new.manner)?,
            id,
            tenant: new.tenant,
            kind: Kind::Webhook,
            url: new.url,
            description: new.description,
            event_types: new.event_types,
            applications: new.applications,
            disabled: None,
            paused_at: None,
            limits: new.limits,
            is_ordered: new.is_ordered,
            created_at: now,
            updated_at: now,
        };
        if !self.store.add_endpoint(&endpoint, ENDPOINTS_MAX).await? {
            return Err(WebhookError::TooManyEndpoints);
        }
        Ok((endpoint, secret))
    }

    /// Returns an endpoint that exists for `caller`.
    ///
    /// # Errors
    /// [`WebhookError::EndpointNotFound`], or a failure of the store.
    pub async fn endpoint(&self, caller: &Caller, id: &EndpointId) -> Result<Endpoint, WebhookError> {
        let endpoint = self.store.endpoint(id).await?;
        endpoint.filter(|endpoint| caller.may_see(&endpoint.tenant)).ok_or(WebhookError::EndpointNotFound)
    }

    /// Returns an endpoint that callers may change: one that follows an application is changed with the application.
    pub(super) async fn own_endpoint(&self, caller: &Caller, id: &EndpointId) -> Result<Endpoint, WebhookError> {
        let endpoint = self.endpoint(caller, id).await?;
        if endpoint.kind == Kind::Webhook { Ok(endpoint) } else { Err(WebhookError::EndpointManaged) }
    }

    /// Changes an endpoint; returns the secret too that the change made, if it did.
    ///
    /// # Errors
    /// [`WebhookError::EndpointNotFound`], [`WebhookError::EndpointManaged`], [`WebhookError::UrlRefused`],
    /// [`WebhookError::Contention`], a field that cannot be accepted, or a failure of the store.
    pub async fn update_endpoint(
        &self,
        caller: &Caller,
        id: &EndpointId,
        change: EndpointChange,
    ) -> Result<(Endpoint, Option<SecretString>), WebhookError> {
        if let Some(url) = &change.url {
            self.egress.check_url(url).map_err(WebhookError::UrlRefused)?;
        }
        let mut endpoint = self.own_endpoint(caller, id).await?;
        let Endpoint { url, description, event_types, applications, .. } = endpoint.clone();
        endpoint.url = change.url.unwrap_or(url);
        endpoint.description = change.description.unwrap_or(description);
        endpoint.event_types = change.event_types.unwrap_or(event_types);
        endpoint.applications = change.applications.unwrap_or(applications);
        endpoint.limits = Limits {
            concurrency: change.concurrency.unwrap_or(endpoint.limits.concurrency),
            rate: change.rate.unwrap_or(endpoint.limits.rate),
        };
        endpoint.is_ordered = change.is_ordered.unwrap_or(endpoint.is_ordered);
        match change.is_enabled {
            Some(true) => endpoint.disabled = None,
            Some(false) => {
                endpoint.disabled = endpoint.disabled.or_else(|| Some("DISABLED_BY_CALLER".to_owned()));
                // What was kept is cancelled now.
                endpoint.paused_at = None;
            }
            None => {}
        }
        endpoint.manner = self.changed_manner(id, endpoint.manner, change.manner)?;
        let mut secret = None;
        if let Some(scheme) = change.scheme {
            (endpoint.signing, secret) = self.fit(id, endpoint.signing, scheme)?;
        }
        Ok((self.put(endpoint).await?, secret))
    }

    /// Deletes an endpoint.
    ///
    /// # Errors
    /// [`WebhookError::EndpointNotFound`], or a failure of the store.
    pub async fn delete_endpoint(&self, caller: &Caller, id: &EndpointId) -> Result<(), WebhookError> {
        self.own_endpoint(caller, id).await?;
        if self.store.delete_endpoint(id).await? { Ok(()) } else { Err(WebhookError::EndpointNotFound) }
    }

    /// Sends a test event to one endpoint.
    ///
    /// # Errors
    /// [`WebhookError::EndpointNotFound`], [`WebhookError::EndpointDisabled`], or a failure of the store.
    pub async fn ping(&self, caller: &Caller, id: &EndpointId) -> Result<DeliveryId, WebhookError> {
        let endpoint = self.own_endpoint(caller, id).await?;
        if endpoint.disabled.is_some() {
            return Err(WebhookError::EndpointDisabled);
        }
        let now = self.clock.now();
        let event = pb::Event {
            id: format!("evt_ping_{}", encode_base32(&entropy::bytes::<10>(&*self.entropy))),
            r#type: PING.to_owned(),
            tenant_id: endpoint.tenant.clone(),
            occurred_at: Some(now.to_proto()),
            aggregate_id: id.to_string(),
            actor: caller.subject.clone(),
            data: Some(pb::event::Data::EndpointPinged(pb::EndpointPinged { endpoint_id: id.to_string() })),
            ..pb::Event::default()
        };
        let event = logged(&event.encode_to_vec().into(), &TraceContext::current(), now);
        let event = event.map_err(|problem| svc_kit::error::FieldError::new("endpoint_id", problem))?;
        let Some(delivery) = self.store.accept_for(&event, id).await? else {
            return Err(WebhookError::EndpointDisabled);
        };
        self.due.notify_one();
        self.arrivals.announce([event.tenant.as_str()]);
        Ok(delivery)
    }

    pub(super) async fn put(&self, mut endpoint: Endpoint) -> Result<Endpoint, WebhookError> {
        let seen = endpoint.updated_at;
        endpoint.updated_at = self.next_change(seen);
        if self.store.put_endpoint(&endpoint, seen).await? { Ok(endpoint) } else { Err(WebhookError::Contention) }
    }

    /// Strictly later than the last one, so that two changes within a millisecond do not look like one.
    pub(super) fn next_change(&self, seen: Timestamp) -> Timestamp {
        self.clock.now().max(seen.saturating_add(Duration::from_millis(1)))
    }
}
