//! Manages endpoints.

use std::time::Duration;

use prost::Message as _;
use proto::event::v1 as pb;
use secrecy::SecretString;
use svc_kit::{access::Caller, clock::Timestamp, entropy, id::encode_base32, telemetry::TraceContext};

use super::{Webhooks, accept::logged};
use crate::{
    domain::{
        delivery::DeliveryId,
        endpoint::{Endpoint, EndpointId, EventPattern, Kind, PING, SealedSecrets},
        signature::SigningSecret,
    },
    error::WebhookError,
    ports::DeliveryStore,
};

/// Most endpoints of a tenant.
pub const ENDPOINTS_MAX: usize = 1_000;
/// How long the previous secret signs too.
const OVERLAP: Duration = Duration::from_secs(24 * 3600);

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
}

impl<S: DeliveryStore> Webhooks<S> {
    /// Creates an endpoint; returns its secret too.
    ///
    /// # Errors
    /// [`WebhookError::UrlRefused`], [`WebhookError::TooManyEndpoints`], or a failure of the store.
    pub async fn create_endpoint(&self, new: NewEndpoint) -> Result<(Endpoint, SecretString), WebhookError> {
        self.egress.check_url(&new.url).map_err(WebhookError::UrlRefused)?;
        let (id, now) = (EndpointId::generate(&*self.entropy), self.clock.now());
        let secret = SigningSecret::generate(&*self.entropy);
        let endpoint = Endpoint {
            secrets: SealedSecrets { current: self.seal_secret(&id, &secret)?, previous: None },
            id,
            tenant: new.tenant,
            kind: Kind::Webhook,
            url: new.url,
            description: new.description,
            event_types: new.event_types,
            applications: new.applications,
            disabled: None,
            paused_at: None,
            created_at: now,
            updated_at: now,
        };
        if !self.store.add_endpoint(&endpoint, ENDPOINTS_MAX).await? {
            return Err(WebhookError::TooManyEndpoints);
        }
        Ok((endpoint, secret.reveal()))
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
    async fn own_endpoint(&self, caller: &Caller, id: &EndpointId) -> Result<Endpoint, WebhookError> {
        let endpoint = self.endpoint(caller, id).await?;
        if endpoint.kind == Kind::Webhook { Ok(endpoint) } else { Err(WebhookError::EndpointManaged) }
    }

    /// Changes an endpoint.
    ///
    /// # Errors
    /// [`WebhookError::EndpointNotFound`], [`WebhookError::EndpointManaged`], [`WebhookError::UrlRefused`],
    /// [`WebhookError::Contention`], or a failure of the store.
    pub async fn update_endpoint(
        &self,
        caller: &Caller,
        id: &EndpointId,
        change: EndpointChange,
    ) -> Result<Endpoint, WebhookError> {
        if let Some(url) = &change.url {
            self.egress.check_url(url).map_err(WebhookError::UrlRefused)?;
        }
        let mut endpoint = self.own_endpoint(caller, id).await?;
        let Endpoint { url, description, event_types, applications, .. } = endpoint.clone();
        endpoint.url = change.url.unwrap_or(url);
        endpoint.description = change.description.unwrap_or(description);
        endpoint.event_types = change.event_types.unwrap_or(event_types);
        endpoint.applications = change.applications.unwrap_or(applications);
        match change.is_enabled {
            Some(true) => endpoint.disabled = None,
            Some(false) => {
                endpoint.disabled = endpoint.disabled.or_else(|| Some("DISABLED_BY_CALLER".to_owned()));
                // What was kept is cancelled now.
                endpoint.paused_at = None;
            }
            None => {}
        }
        self.put(endpoint).await
    }

    /// Deletes an endpoint.
    ///
    /// # Errors
    /// [`WebhookError::EndpointNotFound`], or a failure of the store.
    pub async fn delete_endpoint(&self, caller: &Caller, id: &EndpointId) -> Result<(), WebhookError> {
        self.own_endpoint(caller, id).await?;
        if self.store.delete_endpoint(id).await? { Ok(()) } else { Err(WebhookError::EndpointNotFound) }
    }

    /// Makes a new secret; the old one signs too for a day.
    ///
    /// # Errors
    /// [`WebhookError::EndpointNotFound`], [`WebhookError::Contention`], or a failure of the store.
    pub async fn rotate_secret(&self, caller: &Caller, id: &EndpointId) -> Result<SecretString, WebhookError> {
        let mut endpoint = self.own_endpoint(caller, id).await?;
        let secret = SigningSecret::generate(&*self.entropy);
        let until = self.clock.now().saturating_add(OVERLAP);
        let previous = Some((endpoint.secrets.current, until));
        endpoint.secrets = SealedSecrets { current: self.seal_secret(id, &secret)?, previous };
        self.put(endpoint).await?;
        Ok(secret.reveal())
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
        let delivery = self.store.accept_for(&event, id).await?;
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

    fn seal_secret(&self, id: &EndpointId, secret: &SigningSecret) -> Result<Vec<u8>, WebhookError> {
        Ok(self.seal.seal(&*self.entropy, id.as_str().as_bytes(), secret.as_bytes())?)
    }

    /// The secrets that sign at `now`, the current one first.
    pub(super) fn open_secrets(&self, endpoint: &Endpoint, now: Timestamp) -> Result<Vec<SigningSecret>, WebhookError> {
        let previous = endpoint.secrets.previous.as_ref().filter(|(_, until)| now < *until).map(|(sealed, _)| sealed);
        let sealed = [&endpoint.secrets.current].into_iter().chain(previous);
        let open = |sealed: &Vec<u8>| self.seal.open(endpoint.id.as_str().as_bytes(), sealed);
        Ok(sealed.map(|sealed| open(sealed).map(SigningSecret::from_bytes)).collect::<Result<_, _>>()?)
    }
}
