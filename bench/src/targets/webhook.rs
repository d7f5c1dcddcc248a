//! webhook-svc as it runs in production. Its bus may be in memory and is fed over a socket of its own then, so that what is
//! measured begins where events arrive.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use prost::Message as _;
use proto::{
    event::v1 as pb,
    webhook::v1::{CreateEndpointRequest, endpoint_service_client::EndpointServiceClient},
};
use svc_kit::{
    boot::Parts,
    bus::{MemoryBus, Message, Publisher as _, routing_key, shard_of},
    cli::{self, Booting, Service},
    clock::{Clock as _, SystemClock},
    config::BusKind,
    telemetry::TraceContext,
};
use tonic::{
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};

use super::{broker::Bus, database::Database, session::Key};
use crate::{
    failure::Failure,
    process::{self, Watched},
};

/// Names the address that events are fed to.
const FEED: &str = "BENCH_FEED";
/// Most bytes of a request of events.
const FEED_BYTES_MAX: usize = 64 << 20;
/// How long a feed may take.
const FEED_WITHIN: Duration = Duration::from_secs(120);
/// The event that is delivered here.
const ENDED: &str = "session.revoked";

/// Events of these tenants, so many each, at a time, with this body.
const PILE_EVENTS: &str = "
    INSERT INTO event (id, tenant_id, type, application_id, occurred_at_ms, received_at_ms, payload, traceparent,
                       tracestate, aggregate_id, user_id)
    SELECT 'pending_' || tenant || '_' || n, tenant, 'session.revoked', 'demo-web', $3, $3, $4, '', '',
           'sess_' || tenant || '_' || n, 'user_' || n
    FROM unnest($1::text[]) AS t (tenant) CROSS JOIN generate_series(1, $2) AS n";
/// Their deliveries to these endpoints, made at a time and due before another, a millisecond from one to the next. An id is base32 that ends in zero bits: hexadecimal
/// digits, the four replaced that base32 does not have, and an `a`.
const PILE_DELIVERIES: &str = "
    INSERT INTO delivery (id, tenant_id, endpoint_id, event_id, event_type, state, created_at_ms, next_attempt_at_ms)
    SELECT 'msg_' || translate(left(md5(tenant || '_' || n), 25), '0189', 'ghij') || 'a', tenant, endpoint,
           'pending_' || tenant || '_' || n, 'session.revoked', 1, $3, $4 - n
    FROM unnest($1::text[], $5::text[]) AS t (tenant, endpoint) CROSS JOIN generate_series(1, $2) AS n";

/// The breakers of these endpoints are open since a time, until another.
const PILE_HEALTH: &str = "
    INSERT INTO endpoint_health (endpoint_id, failing_since_ms, failures_in_a_row, warnings, open_reason, next_probe_at_ms, probes)
    SELECT id, $2, 10, 0, 'IN_A_ROW', $3, 0 FROM unnest($1::text[]) AS endpoint (id)";
/// The first pause before a probe.
const PROBE: Duration = Duration::from_secs(30);

/// Serves webhook-svc as the whole of a process.
pub fn serve() -> ExitCode {
    let service = webhook_svc::boot::service();
    cli::run_with(&Service { start, ..service }, ["webhook-svc".into()])
}

fn start(config: webhook_svc::config::Config, parts: Parts) -> Booting {
    Box::pin(async move {
        webhook_svc::boot::migrate(&config).await?;
        if config.bus.kind != BusKind::Memory {
            return webhook_svc::boot::start(config, parts).await.map(drop);
        }
        let bus = MemoryBus::new();
        let parts = Parts { memory_bus: Some(bus.clone()), ..parts };
        webhook_svc::boot::start(config, parts).await?;
        if let Ok(listener) = tokio::net::TcpListener::bind(std::env::var(FEED).unwrap_or_default()).await {
            let router = Router::new().route("/", post(feed)).with_state(bus);
            let router = router.layer(axum::extract::DefaultBodyLimit::max(FEED_BYTES_MAX));
            tokio::spawn(async move { axum::serve(listener, router).await });
        }
        Ok(())
    })
}

/// Puts events on the bus: each with its length before it.
async fn feed(State(bus): State<MemoryBus>, mut body: Bytes) -> StatusCode {
    let mut messages = Vec::new();
    while !body.is_empty() {
        let Ok(event) = pb::Event::decode_length_delimited(&mut body) else { return StatusCode::BAD_REQUEST };
        messages.push(Message { trace: TraceContext::root(), ..message(&event) });
    }
    if bus.publish(&messages).await.is_ok() { StatusCode::NO_CONTENT } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// A running webhook-svc with a database of its own.
pub struct WebhookSvc {
    /// The process.
    pub server: process::Server,
    grpc: Endpoint,
    feed: SocketAddr,
    database: Database,
}

impl WebhookSvc {
    /// Starts one.
    ///
    /// # Errors
    /// [`Failure`] when it does not come up.
    pub async fn start(bus: &Bus<'_>) -> Result<Self, Failure> {
        let database = Database::create().await?;
        let (grpc, ops, feed) = (process::free_address(), process::free_address(), process::free_address());
        let mut command = process::myself()?;
        command.arg("webhook-svc").envs(bus.settings());
        for (name, value) in [
            ("LATCHKEY_POSTGRES__URL", database.url()),
            ("LATCHKEY_GRPC__LISTEN", grpc.to_string()),
            ("LATCHKEY_OPS__LISTEN", ops.to_string()),
            ("LATCHKEY_HTTP__LISTEN", process::free_address().to_string()),
            (FEED, feed.to_string()),
        ] {
            command.env(name, value);
        }
        let mut server = process::Server::start("webhook-svc", &mut command)?;
        let is_fed = matches!(bus, Bus::Memory);
        let is_up = async || {
            let can_be_fed = !is_fed || tokio::net::TcpStream::connect(feed).await.is_ok();
            can_be_fed && process::is_ready(ops).await
        };
        server.up(is_up).await?;
        Ok(Self { server, grpc: Endpoint::from_shared(format!("http://{grpc}"))?, feed, database })
    }

    async fn endpoints(&self) -> Result<EndpointServiceClient<InterceptedService<Channel, Key>>, Failure> {
        Ok(EndpointServiceClient::with_interceptor(self.grpc.connect().await?, Key::operator()))
    }

    /// The process, and those of PostgreSQL that serve it.
    ///
    /// # Errors
    /// [`Failure::Postgres`].
    pub async fn watched(&self) -> Result<[Watched; 2], Failure> {
        Ok([self.server.watched(), self.database.watched().await?])
    }

    /// Makes an endpoint of a tenant for the ends of sessions; returns its id.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn endpoint(&self, tenant: &str, url: &str, max_concurrency: i32) -> Result<String, Failure> {
        let request = CreateEndpointRequest {
            tenant_id: tenant.to_owned(),
            url: url.to_owned(),
            event_types: vec![ENDED.to_owned()],
            max_concurrency,
            ..CreateEndpointRequest::default()
        };
        let created = self.endpoints().await?.create_endpoint(request).await?.into_inner();
        Ok(created.endpoint.unwrap_or_default().id)
    }

    /// Writes deliveries that are pending: `each` for every one of these endpoints (with their tenants), due before `due_in`.
    /// Not by events, which would be made to wait one by one. Endpoints for which they are due now have failed before.
    ///
    /// # Errors
    /// [`Failure::Postgres`].
    pub async fn pile_up(&self, endpoints: &[(String, String)], each: usize, due_in: Duration) -> Result<(), Failure> {
        let (tenants, ids): (Vec<&str>, Vec<&str>) = endpoints.iter().map(|(tenant, id)| (&**tenant, &**id)).unzip();
        let (each, now) = (each as i64, SystemClock.now());
        let mut connection = self.database.connect().await?;
        let events = sqlx::query(PILE_EVENTS).bind(&tenants).bind(each).bind(now.as_ms()).bind(body());
        events.execute(&mut connection).await?;
        let deliveries = sqlx::query(PILE_DELIVERIES).bind(&tenants).bind(each).bind(now.as_ms());
        let deliveries = deliveries.bind(now.saturating_add(due_in).as_ms()).bind(&ids);
        deliveries.execute(&mut connection).await?;
        let failing = sqlx::query(PILE_HEALTH).bind(&ids).bind(now.as_ms()).bind(now.saturating_add(PROBE).as_ms());
        if due_in.is_zero() {
            failing.execute(&mut connection).await?;
        }
        self.analyze().await
    }

    /// Has PostgreSQL do what it does by itself within a minute after much was written, where that is not turned off.
    ///
    /// # Errors
    /// [`Failure::Postgres`].
    pub async fn analyze(&self) -> Result<(), Failure> {
        sqlx::query("VACUUM ANALYZE").execute(&mut self.database.connect().await?).await?;
        Ok(())
    }

    /// Has events arrive: `count` of each tenant, numbered from `first`.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn feed(&self, tenants: &[String], count: usize, first: usize) -> Result<(), Failure> {
        let mut body = Vec::new();
        for n in first..first + count {
            for tenant in tenants {
                body.extend(event(tenant, n).encode_length_delimited_to_vec());
            }
        }
        let client = reqwest::Client::builder().timeout(FEED_WITHIN).build()?;
        client.post(format!("http://{}/", self.feed)).body(body).send().await?.error_for_status()?;
        Ok(())
    }
}

/// A body as long as that of the events here, for those who send without the service.
pub fn body() -> String {
    format!(r#"{{"type":"{ENDED}","data":"{}"}}"#, "x".repeat(200))
}

/// Events as a service publishes them: `count`, numbered from `first`.
pub fn messages(first: usize, count: usize) -> Vec<Message> {
    let events = (first..first + count).map(|n| event("default", n));
    events.map(|event| message(&event)).collect()
}

fn message(event: &pb::Event) -> Message {
    Message {
        id: event.id.clone(),
        routing_key: routing_key(shard_of(&event.aggregate_id), &event.r#type),
        body: event.encode_to_vec().into(),
        trace: TraceContext::default(),
    }
}

/// The end of a session that happens now.
fn event(tenant: &str, n: usize) -> pb::Event {
    let session = format!("sess_{tenant}_{n}");
    let data = pb::SessionRevoked {
        session: Some(proto::session::v1::Session {
            id: session.clone(),
            tenant_id: tenant.to_owned(),
            user_id: super::session::user(n),
            application_id: "demo-web".to_owned(),
            ..Default::default()
        }),
    };
    pb::Event {
        id: format!("bench_{tenant}_{n}"),
        r#type: ENDED.to_owned(),
        tenant_id: tenant.to_owned(),
        occurred_at: Some(SystemClock.now().to_proto()),
        aggregate_id: session,
        sequence: 2,
        data: Some(pb::event::Data::SessionRevoked(data)),
        ..pb::Event::default()
    }
}
