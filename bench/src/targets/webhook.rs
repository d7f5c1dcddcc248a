//! webhook-svc as it runs in production, but for its bus: that is in memory, and fed over a socket of its own, so that what
//! is measured begins where events arrive.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use prost::Message as _;
use proto::{
    event::v1 as pb,
    webhook::v1::{CreateEndpointRequest, endpoint_service_client::EndpointServiceClient},
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use svc_kit::{
    boot::Parts,
    bus::{MemoryBus, Message, Publisher as _, routing_key, shard_of},
    cli::{self, Booting, Service},
    clock::{Clock as _, SystemClock},
    telemetry::TraceContext,
};
use tonic::{
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};

use super::session::Key;
use crate::{failure::Failure, process};

/// Where the database server is, when the environment does not say.
const POSTGRES: &str = "postgres://root@127.0.0.1:5432/postgres";
/// Names the address that events are fed to.
const FEED: &str = "BENCH_FEED";
/// Most bytes of a request of events.
const FEED_BYTES_MAX: usize = 64 << 20;
/// How long a feed may take.
const FEED_WITHIN: Duration = Duration::from_secs(120);

/// Serves webhook-svc as the whole of a process.
pub fn serve() -> ExitCode {
    let service = webhook_svc::boot::service();
    cli::run_with(&Service { start, ..service }, ["webhook-svc".into()])
}

fn start(config: webhook_svc::config::Config, parts: Parts) -> Booting {
    Box::pin(async move {
        let bus = MemoryBus::new();
        webhook_svc::boot::migrate(&config).await?;
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
        messages.push(Message {
            id: event.id.clone(),
            routing_key: routing_key(shard_of(&event.aggregate_id), &event.r#type),
            body: event.encode_to_vec().into(),
            trace: TraceContext::root(),
        });
    }
    if bus.publish(&messages).await.is_ok() { StatusCode::NO_CONTENT } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// A running webhook-svc with a database of its own.
pub struct WebhookSvc {
    /// The process.
    pub server: process::Server,
    grpc: Endpoint,
    feed: SocketAddr,
    database: String,
}

impl WebhookSvc {
    /// Starts one.
    ///
    /// # Errors
    /// [`Failure`] when it does not come up.
    pub async fn start() -> Result<Self, Failure> {
        let database = format!("latchkey_bench_{}", std::process::id());
        admin(format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)")).await?;
        admin(format!("CREATE DATABASE {database}")).await?;
        let url = postgres();
        let url = format!("{}/{database}", url.rsplit_once('/').map_or(url.as_str(), |(server, _)| server));
        let (grpc, ops, feed) = (process::free_address(), process::free_address(), process::free_address());
        let mut command = process::myself()?;
        command.arg("webhook-svc");
        for (name, value) in [
            ("LATCHKEY_POSTGRES__URL", url),
            ("LATCHKEY_GRPC__LISTEN", grpc.to_string()),
            ("LATCHKEY_OPS__LISTEN", ops.to_string()),
            ("LATCHKEY_HTTP__LISTEN", process::free_address().to_string()),
            ("LATCHKEY_BUS__KIND", "memory".to_owned()),
            (FEED, feed.to_string()),
        ] {
            command.env(name, value);
        }
        let mut server = process::Server::start("webhook-svc", &mut command)?;
        let grpc = Endpoint::from_shared(format!("http://{grpc}"))?;
        let is_up = async || {
            let fed = tokio::net::TcpStream::connect(feed).await;
            fed.is_ok() && grpc.connect().await.is_ok()
        };
        server.up(is_up).await?;
        Ok(Self { server, grpc, feed, database })
    }

    async fn endpoints(&self) -> Result<EndpointServiceClient<InterceptedService<Channel, Key>>, Failure> {
        Ok(EndpointServiceClient::with_interceptor(self.grpc.connect().await?, Key::operator()))
    }

    /// Makes an endpoint of a tenant.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn endpoint(&self, tenant: &str, url: &str, max_concurrency: i32) -> Result<(), Failure> {
        let request = CreateEndpointRequest {
            tenant_id: tenant.to_owned(),
            url: url.to_owned(),
            max_concurrency,
            ..CreateEndpointRequest::default()
        };
        self.endpoints().await?.create_endpoint(request).await?;
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

    /// Ends it and removes its database.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn end(self) -> Result<(), Failure> {
        drop(self.server);
        admin(format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database)).await
    }
}

fn postgres() -> String {
    std::env::var("LATCHKEY_TEST_POSTGRES_URL").unwrap_or_else(|_| POSTGRES.to_owned())
}

async fn admin(statement: String) -> Result<(), Failure> {
    let mut connection = PgConnection::connect(&postgres()).await?;
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
    Ok(())
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
        r#type: "session.revoked".to_owned(),
        tenant_id: tenant.to_owned(),
        occurred_at: Some(SystemClock.now().to_proto()),
        aggregate_id: session,
        sequence: 2,
        data: Some(pb::event::Data::SessionRevoked(data)),
        ..pb::Event::default()
    }
}
