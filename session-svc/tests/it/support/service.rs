//! A running session-svc with a clock that stands still until it is moved.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proto::session::v1::{policy_service_client::PolicyServiceClient, session_service_client::SessionServiceClient};
use secrecy::SecretString;
use session_svc::{
    boot::{self, Running},
    config::{Config, DEFAULTS},
};
use svc_kit::{
    boot::{BootError, Parts},
    bus::{self, MemoryBus},
    client::{Outgoing, channel},
    clock::{ManualClock, Timestamp},
    entropy::{self, Entropy, OsEntropy},
    id::encode_base32,
    lifecycle::Lifecycle,
};
use tonic::{service::interceptor::InterceptedService, transport::Channel};

use super::{
    Events,
    issuer::{AUDIENCE, ISSUER, Issuer},
};

pub type Client = SessionServiceClient<InterceptedService<Channel, Outgoing>>;
pub type Policies = PolicyServiceClient<InterceptedService<Channel, Outgoing>>;

/// Monday, 2026-01-05, noon UTC.
pub const START: Timestamp = Timestamp::from_ms(1_767_614_400_000);
pub const OPERATOR_KEY: &str = "dev-operator-key";
pub const CALL_DEADLINE: Duration = Duration::from_secs(10);

/// Which store the service under test has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Memory,
    Redis,
}

pub fn redis_url() -> String {
    std::env::var("LATCHKEY_TEST_REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379/0".to_owned())
}

pub fn random_name() -> String {
    format!("test-{}", encode_base32(&entropy::bytes::<10>(&OsEntropy)))
}

/// Changes one setting: its name as in the environment, and its value.
pub type Setting<'s> = (&'s str, String);

pub struct Service {
    pub clock: Arc<ManualClock>,
    pub events: Events,
    pub running: Running,
    prefix: Option<String>,
    issuer: Arc<Issuer>,
    lifecycle: Lifecycle,
}

impl Service {
    pub async fn start(store: Store) -> Self {
        Self::start_with(store, &[]).await
    }

    pub async fn start_with(store: Store, settings: &[Setting<'_>]) -> Self {
        Self::try_start(store, settings).await.unwrap()
    }

    /// Starts with settings that may be refused.
    pub async fn try_start(store: Store, settings: &[Setting<'_>]) -> Result<Self, BootError> {
        let prefix = (store == Store::Redis).then(|| format!("{}:", random_name()));
        Self::start_on(prefix, Arc::new(ManualClock::new(START)), Arc::new(Issuer::start().await), settings).await
    }

    /// Another replica on the same Redis, with the same clock; it publishes to a bus of its own.
    pub async fn replica(&self) -> Self {
        let prefix = self.prefix.clone().expect("replicas share a Redis");
        let replica = Self::start_on(Some(prefix), self.clock.clone(), self.issuer.clone(), &[]).await;
        let mut replica = replica.unwrap();
        // The first one cleans up.
        replica.prefix = None;
        replica
    }

    async fn start_on(
        prefix: Option<String>,
        clock: Arc<ManualClock>,
        issuer: Arc<Issuer>,
        settings: &[Setting<'_>],
    ) -> Result<Self, BootError> {
        let (lifecycle, events) = (Lifecycle::new(), Events::default());
        let kind = if prefix.is_some() { "redis" } else { "memory" };
        let base: [Setting<'_>; 10] = [
            ("LATCHKEY_GRPC__LISTEN", "127.0.0.1:0".to_owned()),
            ("LATCHKEY_OPS__LISTEN", "127.0.0.1:0".to_owned()),
            ("LATCHKEY_STORE__KIND", kind.to_owned()),
            ("LATCHKEY_STORE__URL", redis_url()),
            ("LATCHKEY_STORE__PREFIX", prefix.clone().unwrap_or_default()),
            ("LATCHKEY_STORE__SHARDS", "4".to_owned()),
            // The clock of a test stands where the test wants it.
            ("LATCHKEY_STORE__CLOCK_SKEW_MAX", "100000d".to_owned()),
            ("LATCHKEY_BUS__KIND", "memory".to_owned()),
            ("LATCHKEY_ACCESS__ISSUER", ISSUER.to_owned()),
            ("LATCHKEY_ACCESS__JWKS_URL", issuer.jwks_url()),
        ];
        let base = base.into_iter().chain([("LATCHKEY_ACCESS__AUDIENCE", AUDIENCE.to_owned())]);
        // The later one of two settings of a name counts.
        let all: BTreeMap<String, String> =
            base.chain(settings.iter().cloned()).map(|(name, value)| (name.to_owned(), value)).collect();
        let config: Config = svc_kit::config::load(DEFAULTS, None, all).unwrap();
        let parts = Parts {
            clock: clock.clone(),
            entropy: Arc::new(OsEntropy) as Arc<dyn Entropy>,
            memory_bus: Some(MemoryBus::new()),
            lifecycle: lifecycle.clone(),
        };
        bus::consume(&config.bus, &parts, events.clone(), Arc::new(|_| {})).unwrap();
        let running = boot::start(config, parts).await?;
        Ok(Self { clock, events, running, prefix, issuer, lifecycle })
    }

    fn connect(&self, credential: String) -> Client {
        let channel = channel(&format!("http://{}", self.running.grpc_addr), CALL_DEADLINE).unwrap();
        SessionServiceClient::with_interceptor(channel, Outgoing::new(&SecretString::from(credential)))
    }

    /// A caller that may do everything in every tenant.
    pub fn operator(&self) -> Client {
        self.connect(OPERATOR_KEY.to_owned())
    }

    /// The operator, as the keeper of policies.
    pub fn policies(&self) -> Policies {
        let channel = channel(&format!("http://{}", self.running.grpc_addr), CALL_DEADLINE).unwrap();
        PolicyServiceClient::with_interceptor(channel, Outgoing::new(&SecretString::from(OPERATOR_KEY)))
    }

    /// A caller of one tenant, with every scope.
    pub fn caller_of(&self, tenant: &str) -> Client {
        self.connect(self.issuer.token(tenant, "sessions.read sessions.write sessions.admin", START))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.lifecycle.shutdown();
        self.lifecycle.hard().cancel();
        if let Some(prefix) = self.prefix.take() {
            // A thread of its own: the client that forgets the keys blocks, and this may be an asynchronous task.
            let _ = std::thread::spawn(move || forget(&prefix)).join();
        }
    }
}

/// Removes every key of a test.
pub fn forget(prefix: &str) {
    let Ok(mut connection) = redis::Client::open(redis_url()).and_then(|client| client.get_connection()) else {
        return;
    };
    let found: Vec<Vec<u8>> = match redis::Commands::scan_match(&mut connection, format!("{prefix}*")) {
        Ok(keys) => keys.filter_map(Result::ok).collect(),
        Err(_) => return,
    };
    for chunk in found.chunks(1000) {
        let _: redis::RedisResult<()> = redis::cmd("UNLINK").arg(chunk).query(&mut connection);
    }
}
