//! A running auth-svc, on either store, with a clock that stands still until it is moved.

use std::{sync::Arc, time::Duration};

use auth_svc::{
    app::seed::Seed,
    boot::{self, Running},
    config::{Config, DEFAULTS},
};
use proto::{
    auth::v1::{
        api_key_service_client::ApiKeyServiceClient, application_service_client::ApplicationServiceClient,
        audit_service_client::AuditServiceClient, auth_service_client::AuthServiceClient,
        registration_service_client::RegistrationServiceClient, signing_key_service_client::SigningKeyServiceClient,
        tenant_service_client::TenantServiceClient, user_service_client::UserServiceClient,
    },
    event::v1::Event,
};
use secrecy::SecretString;
use svc_kit::{
    boot::Parts,
    bus::{self, MemoryBus},
    client::{Outgoing, channel},
    clock::{ManualClock, Timestamp},
    entropy::OsEntropy,
    lifecycle::Lifecycle,
};
use tonic::{Status, service::interceptor::InterceptedService, transport::Channel};

use super::{database::with_database, events::Events, eventually, sessions::FakeSessions};

/// How calls are carried.
pub type Line = InterceptedService<Channel, Outgoing>;

/// Monday, 2026-01-05, noon UTC.
pub const START: Timestamp = Timestamp::from_ms(1_767_614_400_000);
pub const OPERATOR_KEY: &str = "dev-operator-key";
const CALL_DEADLINE: Duration = Duration::from_secs(15);

/// Tenants `default` and `other`, each with a backend that may do everything in its tenant.
const SEED: &str = r#"
tenants = [{ id = "default", name = "Default" }, { id = "other", name = "Other" }]
[[applications]]
id = "backend"
tenant = "default"
name = "Backend"
secret = "backend-secret"
service_scopes = ["sessions.admin", "directory.write"]
[[applications]]
id = "other-backend"
tenant = "other"
name = "Backend of another tenant"
secret = "other-backend-secret"
service_scopes = ["sessions.admin", "directory.write"]
"#;

/// A running service.
pub struct Service {
    pub clock: Arc<ManualClock>,
    pub events: Events,
    pub sessions: FakeSessions,
    pub running: Running,
    lifecycle: Lifecycle,
}

impl Service {
    /// Starts on the database at `url`, or in memory.
    pub async fn start(url: Option<&str>, settings: &[(&str, String)]) -> Self {
        Self::start_with(FakeSessions::start().await, url, settings).await
    }

    /// Starts on the database at `url` while session-svc is away.
    pub async fn start_without_sessions(url: &str) -> Self {
        let sessions = FakeSessions::start().await;
        sessions.be_away(true);
        Self::start_with(sessions, Some(url), &[]).await
    }

    /// Starts on the database at `url`, or in memory, with this session-svc.
    pub async fn start_with(sessions: FakeSessions, url: Option<&str>, settings: &[(&str, String)]) -> Self {
        let (lifecycle, events) = (Lifecycle::new(), Events::default());
        let kind = if url.is_some() { "postgres" } else { "memory" };
        let base = [
            ("LATCHKEY_HTTP__LISTEN", "127.0.0.1:0".to_owned()),
            ("LATCHKEY_HTTP__BASE_URL", String::new()),
            ("LATCHKEY_GRPC__LISTEN", "127.0.0.1:0".to_owned()),
            ("LATCHKEY_OPS__LISTEN", "127.0.0.1:0".to_owned()),
            ("LATCHKEY_STORE__KIND", kind.to_owned()),
            ("LATCHKEY_POSTGRES__URL", url.unwrap_or("postgres://nowhere/none").to_owned()),
            ("LATCHKEY_SESSIONS__URL", sessions.url()),
            ("LATCHKEY_BUS__KIND", "memory".to_owned()),
        ];
        let all = base.into_iter().chain(settings.iter().cloned()).map(|(name, value)| (name.to_owned(), value));
        let config: Config = svc_kit::config::load(DEFAULTS, None, all).unwrap();
        let clock = Arc::new(ManualClock::new(START));
        let memory_bus = Some(MemoryBus::new());
        let parts =
            Parts { clock: clock.clone(), entropy: Arc::new(OsEntropy), memory_bus, lifecycle: lifecycle.clone() };
        bus::consume(&config.bus, &parts, events.clone(), Arc::new(|_| {})).unwrap();
        if url.is_some() {
            boot::migrate(&config).await.unwrap();
        }
        let running = boot::start(config, Some(Seed::parse(SEED).unwrap()), parts).await.unwrap();
        Self { clock, events, sessions, running, lifecycle }
    }

    fn line(&self, credential: &str) -> Line {
        let channel = channel(&format!("http://{}", self.running.grpc_addr), CALL_DEADLINE).unwrap();
        InterceptedService::new(channel, Outgoing::new(&SecretString::from(credential.to_owned())))
    }

    pub fn users(&self, credential: &str) -> UserServiceClient<Line> {
        UserServiceClient::new(self.line(credential))
    }

    pub fn applications(&self, credential: &str) -> ApplicationServiceClient<Line> {
        ApplicationServiceClient::new(self.line(credential))
    }

    pub fn api_keys(&self, credential: &str) -> ApiKeyServiceClient<Line> {
        ApiKeyServiceClient::new(self.line(credential))
    }

    pub fn audit(&self, credential: &str) -> AuditServiceClient<Line> {
        AuditServiceClient::new(self.line(credential))
    }

    pub fn registrations(&self, credential: &str) -> RegistrationServiceClient<Line> {
        RegistrationServiceClient::new(self.line(credential))
    }

    pub fn signing_keys(&self, credential: &str) -> SigningKeyServiceClient<Line> {
        SigningKeyServiceClient::new(self.line(credential))
    }

    pub fn tenants(&self, credential: &str) -> TenantServiceClient<Line> {
        TenantServiceClient::new(self.line(credential))
    }

    pub fn auth(&self, credential: &str) -> AuthServiceClient<Line> {
        AuthServiceClient::new(self.line(credential))
    }

    /// The answer of the token endpoint to a client that presents a secret: the access token, or the status.
    pub async fn token_of(&self, tenant: &str, client: &str, secret: &str) -> Result<String, u16> {
        let base = &self.running.issuer;
        let url = if tenant == "default" { format!("{base}/token") } else { format!("{base}/t/{tenant}/token") };
        let form = [("grant_type", "client_credentials"), ("client_id", client), ("client_secret", secret)];
        let client = reqwest::Client::builder().timeout(CALL_DEADLINE).build().unwrap();
        let answer = client.post(url).form(&form).send().await.unwrap();
        match answer.status().as_u16() {
            200 => Ok(answer.json::<serde_json::Value>().await.unwrap()["access_token"].as_str().unwrap().to_owned()),
            status => Err(status),
        }
    }

    /// The status of `/readyz`.
    pub async fn readiness(&self) -> u16 {
        let client = reqwest::Client::builder().timeout(CALL_DEADLINE).build().unwrap();
        let answer = client.get(format!("http://{}/readyz", self.running.ops_addr)).send().await.unwrap();
        answer.status().as_u16()
    }

    /// Waits for an event of a type that concerns something with this id.
    pub async fn event(&self, event_type: &str, aggregate: &str) -> Event {
        let what = format!("{event_type} of {aggregate}");
        let is_it = |event: &Event| event.r#type == event_type && event.aggregate_id == aggregate;
        eventually(&what, async || self.events.all().into_iter().find(is_it)).await
    }

    pub async fn stop(self) {
        self.lifecycle.shutdown();
        self.lifecycle.wait(Duration::from_secs(5)).await.unwrap();
    }
}

/// Runs a test with a service in memory.
pub async fn in_memory(test: impl AsyncFnOnce(&Service)) {
    let service = Service::start(None, &[]).await;
    test(&service).await;
    service.stop().await;
}

/// Runs a test with a service on a database of its own.
pub async fn in_postgres(test: impl AsyncFnOnce(&Service)) {
    with_database(|url| async move {
        let service = Service::start(Some(&url), &[]).await;
        test(&service).await;
        service.stop().await;
    })
    .await;
}

/// The stable reason of a refusal.
pub fn reason_of(status: &Status) -> String {
    svc_kit::error::reason_of(status).unwrap_or_else(|| format!("no reason: {status:?}"))
}

/// The field that a refusal names.
pub fn field_of(status: &Status) -> String {
    use tonic_types::StatusExt as _;
    let info = status.get_details_error_info();
    info.and_then(|info| info.metadata.get("field").cloned()).unwrap_or_else(|| format!("no field: {status:?}"))
}
