//! session-svc as it runs in production, but for its bus, unless that is what is measured: its events go to a bus in memory
//! with a consumer that throws them away, and nothing waits for RabbitMQ.

use std::{process::ExitCode, sync::Arc};

use proto::session::v1::{
    Activity, CreateSessionRequest, Device, DeviceType, RefreshSessionRequest, SessionKind, ValidateSessionRequest,
    session_service_client::SessionServiceClient, validate_session_request::Session,
};
use svc_kit::{
    boot::{BootError, Parts},
    bus::{self, Handler, MemoryBus, Message, Outcome},
    cli::{self, Booting, Service},
    config::{BusConfig, BusKind},
};
use tokio::sync::Mutex;
use tonic::{
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

use super::{broker::Bus, redis::Redis, spread};
use crate::{failure::Failure, load::Target, process};

/// The operator key of the default configuration.
const CREDENTIAL: &str = "Bearer dev-operator-key";
/// Calls at once while sessions are made.
const SEEDERS: usize = 64;

/// Serves session-svc as the whole of a process.
pub fn serve() -> ExitCode {
    let service = session_svc::boot::service();
    cli::run_with(&Service { start, ..service }, ["session-svc".into()])
}

fn start(config: session_svc::config::Config, parts: Parts) -> Booting {
    Box::pin(async move {
        let parts = with_sink(&config.bus, parts)?;
        session_svc::boot::start(config, parts).await.map(drop)
    })
}

/// Gives a service whose bus is in memory one that throws everything away.
///
/// # Errors
/// [`BootError`].
pub fn with_sink(config: &BusConfig, parts: Parts) -> Result<Parts, BootError> {
    if config.kind != BusKind::Memory {
        return Ok(parts);
    }
    let parts = Parts { memory_bus: Some(MemoryBus::new()), ..parts };
    bus::consume(config, &parts, Sink, Arc::new(|_| ()))?;
    Ok(parts)
}

struct Sink;

impl Handler for Sink {
    async fn handle(&self, batch: &[Message]) -> Vec<Outcome> {
        vec![Outcome::Done; batch.len()]
    }
}

/// A client that presents the operator key.
pub type Client = SessionServiceClient<InterceptedService<Channel, Key>>;

/// Presents the operator key.
#[derive(Clone)]
pub struct Key(MetadataValue<Ascii>);

impl Key {
    /// The operator key.
    pub fn operator() -> Self {
        Self(MetadataValue::from_static(CREDENTIAL))
    }
}

impl Interceptor for Key {
    fn call(&mut self, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// A running session-svc.
pub struct SessionSvc {
    /// The process.
    pub server: process::Server,
    endpoint: Endpoint,
}

impl SessionSvc {
    /// Starts one over `redis`, with a bus in memory.
    ///
    /// # Errors
    /// [`Failure`] when it does not come up.
    pub async fn start(redis: &Redis) -> Result<Self, Failure> {
        Self::start_on(redis, &Bus::Memory).await
    }

    /// Starts one over `redis` with this bus.
    ///
    /// # Errors
    /// [`Failure`] when it does not come up.
    pub async fn start_on(redis: &Redis, bus: &Bus<'_>) -> Result<Self, Failure> {
        let (grpc, ops) = (process::free_address(), process::free_address());
        let mut command = process::myself()?;
        command.arg("session-svc").envs(bus.settings());
        for (name, value) in [
            ("LATCHKEY_STORE__URL", redis.url()),
            ("LATCHKEY_GRPC__LISTEN", &grpc.to_string()),
            ("LATCHKEY_OPS__LISTEN", &ops.to_string()),
        ] {
            command.env(name, value);
        }
        let mut server = process::Server::start("session-svc", &mut command)?;
        let endpoint = Endpoint::from_shared(format!("http://{grpc}"))?.tcp_nodelay(true);
        server.up(async || endpoint.connect().await.is_ok()).await?;
        Ok(Self { server, endpoint })
    }

    /// Where it answers calls.
    pub fn url(&self) -> String {
        self.endpoint.uri().to_string()
    }

    /// Connects.
    ///
    /// # Errors
    /// [`Failure::Transport`].
    pub async fn client(&self) -> Result<Client, Failure> {
        let channel = self.endpoint.connect().await?;
        Ok(SessionServiceClient::with_interceptor(channel, Key::operator()))
    }

    /// Makes `count` sessions, `each` for a user, and returns their tokens. Users are numbered from `first_user`.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn make_sessions(&self, count: usize, each: usize, first_user: usize) -> Result<Vec<String>, Failure> {
        let client = self.client().await?;
        let tasks: Vec<_> = (0..SEEDERS)
            .map(|seeder| {
                let mut client = client.clone();
                tokio::spawn(async move {
                    let mut tokens = Vec::with_capacity(count / SEEDERS + 1);
                    for number in (seeder..count).step_by(SEEDERS) {
                        let request = typical_session(first_user + number / each);
                        let created = client.create_session(request).await?.into_inner();
                        tokens.push(created.token);
                    }
                    Ok::<_, Failure>(tokens)
                })
            })
            .collect();
        let mut tokens = Vec::with_capacity(count);
        for task in tasks {
            tokens.extend(task.await.map_err(|_| Failure::Unexpected("a seeder panicked".into()))??);
        }
        Ok(tokens)
    }
}

/// The name of a user by number.
pub fn user(number: usize) -> String {
    format!("user_{number:016}")
}

/// What an application keeps of a signed-in browser.
fn typical_session(number: usize) -> CreateSessionRequest {
    CreateSessionRequest {
        tenant_id: "default".into(),
        user_id: user(number),
        application_id: "demo-web".into(),
        kind: SessionKind::Application.into(),
        device: Some(Device {
            name: "Firefox on Linux".into(),
            r#type: DeviceType::Browser.into(),
            ip_address: "203.0.113.17".into(),
            ..Device::default()
        }),
        amr: vec!["pwd".into()],
        scopes: vec!["openid".into(), "offline_access".into()],
        ..CreateSessionRequest::default()
    }
}

/// Asks whether the session of `token` is alive.
fn validation(token: &str) -> ValidateSessionRequest {
    ValidateSessionRequest {
        session: Some(Session::Token(token.to_owned())),
        activity: Activity::Background.into(),
        ..ValidateSessionRequest::default()
    }
}

/// Validates tokens that are all current.
pub struct ValidateTarget {
    service: Arc<SessionSvc>,
    tokens: Vec<String>,
}

impl ValidateTarget {
    /// Validates `tokens`, each once at first: that records that it arrived.
    ///
    /// # Errors
    /// The first call that failed.
    pub async fn new(service: Arc<SessionSvc>, tokens: Vec<String>) -> Result<Self, Failure> {
        let this = Self { service, tokens };
        let client = this.service.client().await?;
        let confirm = this.tokens.iter().map(|token| (client.clone(), token));
        futures::StreamExt::for_each_concurrent(
            futures::stream::iter(confirm),
            SEEDERS,
            async |(mut client, token)| {
                let _ = client.validate_session(validation(token)).await;
            },
        )
        .await;
        Ok(this)
    }
}

impl Target for ValidateTarget {
    type Connection = Client;

    async fn connect(&self) -> Result<Client, Failure> {
        self.service.client().await
    }

    async fn call(&self, client: &mut Client, slot: usize, turn: usize) -> Result<(), Failure> {
        let token = &self.tokens[spread(slot, turn, self.tokens.len())];
        let answer = client.validate_session(validation(token)).await?;
        if answer.get_ref().active { Ok(()) } else { Err(Failure::Unexpected("a session is not alive".into())) }
    }
}

/// Refreshes sessions whose tokens rotate: every call is one step of one session.
pub struct RefreshTarget {
    service: Arc<SessionSvc>,
    /// The current tokens of the sessions of each slot.
    slots: Vec<Mutex<Vec<String>>>,
}

impl RefreshTarget {
    /// Deals `tokens` out to `slots` places.
    pub fn new(service: Arc<SessionSvc>, tokens: &[String], slots: usize) -> Self {
        let share = |slot| tokens.iter().skip(slot).step_by(slots).cloned().collect();
        Self { service, slots: (0..slots).map(|slot| Mutex::new(share(slot))).collect() }
    }
}

impl Target for RefreshTarget {
    type Connection = Client;

    async fn connect(&self) -> Result<Client, Failure> {
        self.service.client().await
    }

    async fn call(&self, client: &mut Client, slot: usize, turn: usize) -> Result<(), Failure> {
        // Only this slot uses these tokens, one call at a time.
        let mut tokens = self.slots[slot].lock().await;
        let place = turn % tokens.len();
        let request = RefreshSessionRequest { token: tokens[place].clone(), ..RefreshSessionRequest::default() };
        let answer = client.refresh_session(request).await?.into_inner();
        if answer.replayed {
            return Err(Failure::Unexpected("a refresh was a repetition".into()));
        }
        tokens[place] = answer.token;
        Ok(())
    }
}
