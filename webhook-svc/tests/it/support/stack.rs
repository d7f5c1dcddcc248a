//! The running service, in this process, on ports of its own.

use std::time::Duration;

use prost::Message as _;
use proto::event::v1 as pb;
use proto::webhook::v1::{
    delivery_service_client::DeliveryServiceClient, endpoint_service_client::EndpointServiceClient,
    event_service_client::EventServiceClient,
};
use svc_kit::{
    boot::Parts,
    bus::{MemoryBus, Message, Publisher as _, routing_key, shard_of},
    client::{Outgoing, channel},
    clock::Clock as _,
    config,
    egress::Network,
    telemetry::TraceContext,
};
use tonic::{service::interceptor::InterceptedService, transport::Channel};
use webhook_svc::{
    boot::{self, Running},
    config::{Config, DEFAULTS},
};

use super::{auth::FakeAuth, issuer::Issuer};

/// The key that may do everything in every tenant.
pub const OPERATOR: &str = "dev-operator-key";
const GRACE: Duration = Duration::from_secs(10);

pub type Line = InterceptedService<Channel, Outgoing>;

/// A running service.
pub struct Stack {
    pub running: Running,
    pub bus: MemoryBus,
    pub issuer: Issuer,
    pub auth: FakeAuth,
    parts: Parts,
}

/// A service that is being put together.
pub struct StackBuilder {
    settings: Vec<(String, String)>,
    network: Network,
    parts: Parts,
}

impl StackBuilder {
    /// In memory, with the machine's clock.
    pub fn memory() -> Self {
        let parts = Parts { memory_bus: Some(MemoryBus::new()), ..Parts::system() };
        let this = Self { settings: Vec::new(), network: Network::system(), parts };
        this.set("GRPC__LISTEN", "127.0.0.1:0")
            .set("OPS__LISTEN", "127.0.0.1:0")
            .set("HTTP__LISTEN", "127.0.0.1:0")
            .set("BUS__KIND", "memory")
            .set("STORE__KIND", "memory")
    }

    /// On the database at `url`.
    pub fn postgres(url: &str) -> Self {
        Self::memory().set("STORE__KIND", "postgres").set("POSTGRES__URL", url)
    }

    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((format!("{}{name}", config::ENV_PREFIX), value.into()));
        self
    }

    /// With names and certificates of the test's own.
    #[must_use]
    pub fn on(self, network: Network) -> Self {
        Self { network, ..self }
    }

    pub async fn start(mut self) -> Stack {
        let (issuer, auth) = (Issuer::start().await, FakeAuth::start().await);
        self = self.set("AUTH__URL", auth.url.clone());
        for (name, value) in issuer.settings() {
            self = self.set(name, value);
        }
        let config: Config =
            config::load(DEFAULTS, None, self.settings).unwrap_or_else(|problems| panic!("{problems}"));
        if config.store.kind == webhook_svc::config::StoreKind::Postgres {
            boot::migrate(&config).await.unwrap();
        }
        let running = boot::start_on(config, self.parts.clone(), self.network).await.unwrap();
        let bus = self.parts.memory_bus.clone().unwrap_or_default();
        Stack { running, bus, issuer, auth, parts: self.parts }
    }
}

impl Stack {
    fn line(&self, key: &str) -> Line {
        let channel = channel(&format!("http://{}", self.running.grpc_addr), Duration::from_secs(10)).unwrap();
        InterceptedService::new(channel, Outgoing::new(&key.to_owned().into()))
    }

    pub fn endpoints(&self) -> EndpointServiceClient<Line> {
        self.endpoints_as(OPERATOR)
    }

    pub fn endpoints_as(&self, key: &str) -> EndpointServiceClient<Line> {
        EndpointServiceClient::new(self.line(key))
    }

    pub fn deliveries(&self) -> DeliveryServiceClient<Line> {
        self.deliveries_as(OPERATOR)
    }

    pub fn deliveries_as(&self, key: &str) -> DeliveryServiceClient<Line> {
        DeliveryServiceClient::new(self.line(key))
    }

    pub fn events(&self) -> EventServiceClient<Line> {
        self.events_as(OPERATOR)
    }

    pub fn events_as(&self, key: &str) -> EventServiceClient<Line> {
        EventServiceClient::new(self.line(key))
    }

    /// A key of an application of `tenant` that may administer webhooks.
    pub fn key_of(&self, tenant: &str) -> String {
        self.issuer.token(tenant, "webhooks.admin")
    }

    /// Puts events on the bus.
    pub async fn publish(&self, events: &[pb::Event]) {
        let messages: Vec<Message> = events.iter().map(message_of).collect();
        self.bus.publish(&messages).await.unwrap();
    }

    /// Stops the service and waits until it has ended.
    pub async fn stop(self) {
        self.parts.lifecycle.shutdown();
        self.parts.lifecycle.wait(GRACE).await.unwrap();
    }
}

/// The bus message of an event.
pub fn message_of(event: &pb::Event) -> Message {
    Message {
        id: event.id.clone(),
        routing_key: routing_key(shard_of(&event.aggregate_id), &event.r#type),
        body: event.encode_to_vec().into(),
        trace: TraceContext::root(),
    }
}

/// `session.revoked` of a session in the tenant.
pub fn session_revoked(tenant: &str, id: &str, session: &str) -> pb::Event {
    let data = pb::SessionRevoked {
        session: Some(proto::session::v1::Session {
            id: session.to_owned(),
            tenant_id: tenant.to_owned(),
            user_id: "user_ada".to_owned(),
            application_id: "app_shop".to_owned(),
            ..Default::default()
        }),
    };
    pb::Event {
        id: id.to_owned(),
        r#type: "session.revoked".to_owned(),
        tenant_id: tenant.to_owned(),
        occurred_at: Some(svc_kit::clock::SystemClock.now().to_proto()),
        aggregate_id: session.to_owned(),
        sequence: 2,
        user_id: "user_ada".to_owned(),
        application_id: "app_shop".to_owned(),
        data: Some(pb::event::Data::SessionRevoked(data)),
        ..Default::default()
    }
}
