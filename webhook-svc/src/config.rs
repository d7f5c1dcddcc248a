//! Settings of webhook-svc; the commented defaults are in `config.default.toml`.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use svc_kit::{
    cli::ProcessConfig,
    config::{
        AccessConfig, BusConfig, EgressConfig, HumanDuration, ListenConfig, PostgresConfig, Problems, Profile,
        ServerConfig, ShutdownConfig, TelemetryConfig, Validate,
    },
    seal::SealKeys,
};
use url::Url;

use crate::domain::schedule::{BadSchedule, Schedule, Schedules};

/// The embedded defaults, which are the schema as well.
pub const DEFAULTS: &str = include_str!("config.default.toml");

/// The key that is in the defaults: good for development, refused elsewhere.
const DEV_SEAL_KEY: &str = "1:6465762d6f6e6c792d6465762d6f6e6c792d6465762d6f6e6c792d6465762121";

/// Most tenants with retries of their own.
const TENANT_RETRIES_MAX: usize = 1_000;

/// All settings.
#[derive(Clone, Debug, Deserialize)]
pub struct Config {
    /// How strict the deployment is.
    pub profile: Profile,
    /// The gRPC server.
    pub grpc: ServerConfig,
    /// The HTTP server.
    pub http: ListenConfig,
    /// The operations port.
    pub ops: ListenConfig,
    /// The store.
    pub store: StoreConfig,
    /// PostgreSQL.
    pub postgres: PostgresConfig,
    /// Secrets at rest.
    pub seal: SealConfig,
    /// auth-svc.
    pub auth: AuthConfig,
    /// Where to send to.
    pub egress: EgressConfig,
    /// How long things are kept.
    pub retention: RetentionConfig,
    /// When to try again.
    pub retries: RetriesConfig,
    /// Who may call.
    pub access: AccessConfig,
    /// The event bus.
    pub bus: BusConfig,
    /// Logs, traces, metrics.
    pub telemetry: TelemetryConfig,
    /// How to stop.
    pub shutdown: ShutdownConfig,
}

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// PostgreSQL.
    Postgres,
    /// Memory of this process.
    Memory,
}

/// `[store]`.
#[derive(Clone, Debug, Deserialize)]
pub struct StoreConfig {
    /// Which store.
    pub kind: StoreKind,
}

/// `[seal]`.
#[derive(Clone, Debug, Deserialize)]
pub struct SealConfig {
    /// Keys that secrets are sealed with.
    pub keys: Vec<SecretString>,
}

/// `[auth]`.
#[derive(Clone, Debug, Deserialize)]
pub struct AuthConfig {
    /// Where auth-svc is.
    pub url: String,
    /// One of its operator keys.
    pub key: SecretString,
}

/// `[retention]`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct RetentionConfig {
    /// Events.
    pub payload: HumanDuration,
    /// Deliveries and their attempts.
    pub attempts: HumanDuration,
}

const DAY: Duration = Duration::from_secs(86_400);
/// An event that comes again must be known, and the longest schedule takes three days.
const PAYLOAD_MIN: Duration = DAY.saturating_mul(7);
const ATTEMPTS_MAX: Duration = DAY.saturating_mul(3_650);

impl RetentionConfig {
    fn validate(self, problems: &mut Problems) {
        problems.check(self.payload.0 >= PAYLOAD_MIN, "retention.payload", "must be at least 7d");
        let is_good = self.attempts >= self.payload && self.attempts.0 <= ATTEMPTS_MAX;
        problems.check(is_good, "retention.attempts", "must be at least retention.payload and at most 3650d");
    }
}

/// `[retries]`.
#[derive(Clone, Debug, Deserialize)]
pub struct RetriesConfig {
    /// Pauses between the attempts of a delivery.
    pub pauses: Vec<HumanDuration>,
    /// Those of tenants of their own.
    pub tenants: Vec<TenantRetries>,
}

/// One of `retries.tenants`.
#[derive(Clone, Debug, Deserialize)]
pub struct TenantRetries {
    /// Tenant.
    pub tenant: String,
    /// Pauses between the attempts of its deliveries.
    pub pauses: Vec<HumanDuration>,
}

impl RetriesConfig {
    /// Returns the schedules.
    ///
    /// # Errors
    /// [`BadSchedule`].
    pub fn schedules(&self) -> Result<Schedules, BadSchedule> {
        let schedule = |pauses: &[HumanDuration]| Schedule::new(pauses.iter().map(|pause| pause.0).collect());
        let of_tenants = self.tenants.iter().map(|own| Ok((own.tenant.clone(), schedule(&own.pauses)?)));
        Ok(Schedules { usual: schedule(&self.pauses)?, of_tenants: of_tenants.collect::<Result<_, _>>()? })
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        self.grpc.validate(problems);
        self.postgres.validate(problems);
        self.access.validate(self.profile, problems);
        self.bus.validate(self.profile, problems);
        self.telemetry.validate(problems);
        self.retention.validate(problems);
        problems.check(Url::parse(&self.auth.url).is_ok(), "auth.url", "must be a URL");
        self.profile.check_key("auth.key", &self.auth.key, problems);
        if let Err(error) = self.retries.schedules() {
            problems.add("retries", format!("pauses {error}"));
        }
        problems.check(self.retries.tenants.len() <= TENANT_RETRIES_MAX, "retries.tenants", "must be at most 1000");
        let is_strict = self.profile.is_strict();
        let is_memory = self.store.kind == StoreKind::Memory;
        problems.check(!(is_memory && is_strict), "store.kind", "memory loses everything; only profile dev may use it");
        if let Err(error) = SealKeys::parse(&self.seal.keys) {
            problems.add("seal.keys", error.to_string());
        }
        let has_dev_key = self.seal.keys.iter().any(|key| key.expose_secret() == DEV_SEAL_KEY);
        problems.check(
            !(has_dev_key && is_strict),
            "seal.keys",
            "the built-in key is public; make your own: openssl rand -hex 32",
        );
        self.egress.validate(self.profile, problems);
    }
}

impl ProcessConfig for Config {
    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }

    fn shutdown(&self) -> &ShutdownConfig {
        &self.shutdown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_that_everybody_knows_is_for_development() {
        let problems = |profile: &str, key: &str| {
            let settings = [("LATCHKEY_PROFILE", profile), ("LATCHKEY_AUTH__KEY", key)];
            let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let loaded = svc_kit::config::load::<Config>(DEFAULTS, None, settings);
            loaded.map(drop).map_err(|problems| problems.to_string()).err().unwrap_or_default()
        };
        let refused = "auth.key: the built-in key is public";
        assert_eq!(problems("dev", "dev-operator-key"), "");
        for profile in ["production", "ha"] {
            assert!(problems(profile, "dev-operator-key").contains(refused));
            assert!(!problems(profile, "one of our own").contains(refused));
        }
    }
}
