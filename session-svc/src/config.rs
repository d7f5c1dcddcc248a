//! Settings of session-svc; the commented defaults are in `config.default.toml`.

use secrecy::SecretString;
use serde::Deserialize;
use svc_kit::{
    cli::ProcessConfig,
    config::{
        AccessConfig, BusConfig, HumanDuration, ListenConfig, Problems, Profile, ServerConfig, ShutdownConfig,
        TelemetryConfig, Validate,
    },
    server::threads::THREADS_MAX,
};

use crate::{
    domain::{policy::Deployment, refresh::RefreshPolicy, times::Times, token::ServerKeys},
    store::redis::{self, Location},
};

/// The embedded defaults, which are the schema as well.
pub const DEFAULTS: &str = include_str!("config.default.toml");

/// The key that is in the defaults: good for development, refused elsewhere.
const DEV_SERVER_KEY: &str = "1:6465762d6f6e6c792d6465762d6f6e6c792d6465762d6f6e6c792d6465762121";

const ROTATION_GRACE_MAX_S: u64 = 60;
const LOSS_RECOVERY_MAX_S: u64 = 300;

/// All settings.
#[derive(Clone, Debug, Deserialize)]
pub struct Config {
    /// How strict the deployment is.
    pub profile: Profile,
    /// The gRPC server.
    pub grpc: ServerConfig,
    /// The threads that serve.
    pub serving: ServingConfig,
    /// The operations port.
    pub ops: ListenConfig,
    /// The store.
    pub store: StoreConfig,
    /// Sessions.
    pub session: SessionConfig,
    /// Times.
    pub policy: PolicyConfig,
    /// Who may call.
    pub access: AccessConfig,
    /// The event bus.
    pub bus: BusConfig,
    /// Logs, traces, metrics.
    pub telemetry: TelemetryConfig,
    /// How to stop.
    pub shutdown: ShutdownConfig,
}

/// `[serving]`.
#[derive(Clone, Debug, Deserialize)]
pub struct ServingConfig {
    /// Threads that serve calls; 0: one for each processor.
    pub threads: usize,
}

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// Redis or Valkey.
    Redis,
    /// Memory of this process.
    Memory,
}

/// `[store]`.
#[derive(Clone, Debug, Deserialize)]
pub struct StoreConfig {
    /// Which store.
    pub kind: StoreKind,
    /// Where the servers are.
    pub url: SecretString,
    /// Who we are to sentinels.
    pub sentinel_username: String,
    /// The password for them.
    pub sentinel_password: SecretString,
    /// File with the certificates of the CA that signed the servers'.
    pub tls_ca_file: String,
    /// File with our own certificate.
    pub tls_certificate_file: String,
    /// File with its key.
    pub tls_key_file: String,
    /// How far our clock and the servers' may be apart.
    pub clock_skew_max: HumanDuration,
    /// Put before every key.
    pub prefix: String,
    /// Number of shards; fixed for the life of the store.
    pub shards: u16,
}

impl StoreConfig {
    /// Returns where the servers are, and who we are to them.
    pub fn location(&self) -> Location {
        Location {
            url: self.url.clone(),
            sentinel_username: self.sentinel_username.clone(),
            sentinel_password: self.sentinel_password.clone(),
            tls_ca_file: self.tls_ca_file.clone(),
            tls_certificate_file: self.tls_certificate_file.clone(),
            tls_key_file: self.tls_key_file.clone(),
        }
    }

    fn validate(&self, profile: Profile, problems: &mut Problems) {
        let is_memory = self.kind == StoreKind::Memory;
        problems.check(
            !(is_memory && profile.is_strict()),
            "store.kind",
            "memory loses sessions; only profile dev may use it",
        );
        problems.check((1..=4096).contains(&self.shards), "store.shards", "must be 1 to 4096");
        problems.check(!self.clock_skew_max.0.is_zero(), "store.clock_skew_max", "must be longer than zero");
        // What is in braces decides where a cluster keeps a key.
        problems.check(!self.prefix.contains(['{', '}']), "store.prefix", "must not contain braces");
        if !is_memory {
            redis::problems(&self.location()).into_iter().for_each(|(setting, why)| problems.add(setting, why));
        }
    }
}

/// `[session]`.
#[derive(Clone, Debug, Deserialize)]
pub struct SessionConfig {
    /// Name of the deployment, part of event ids.
    pub deployment: String,
    /// Keys that tokens are computed with.
    pub server_keys: Vec<SecretString>,
}

/// `[policy]`.
#[derive(Clone, Debug, Deserialize)]
pub struct PolicyConfig {
    /// Idle timeout of SSO sessions.
    pub sso_idle: HumanDuration,
    /// Absolute lifetime of SSO sessions.
    pub sso_absolute: HumanDuration,
    /// Idle timeout of SSO sessions that are kept signed in.
    pub sso_kept_idle: HumanDuration,
    /// Absolute lifetime of SSO sessions that are kept signed in.
    pub sso_kept_absolute: HumanDuration,
    /// Idle timeout of application sessions.
    pub application_idle: HumanDuration,
    /// Absolute lifetime of application sessions.
    pub application_absolute: HumanDuration,
    /// How long a refresh may be repeated.
    pub rotation_grace: HumanDuration,
    /// How long a refresh may be repeated whose successor was never seen.
    pub loss_recovery: HumanDuration,
}

impl PolicyConfig {
    /// Returns the limits for the use cases.
    pub fn policies(&self) -> Deployment {
        let times = |idle: HumanDuration, absolute: HumanDuration| Times {
            idle_timeout: idle.0,
            absolute_lifetime: absolute.0,
        };
        Deployment {
            sso: times(self.sso_idle, self.sso_absolute),
            sso_kept: times(self.sso_kept_idle, self.sso_kept_absolute),
            application: times(self.application_idle, self.application_absolute),
            refresh: RefreshPolicy { rotation_grace: self.rotation_grace.0, loss_recovery: self.loss_recovery.0 },
        }
    }

    fn validate(&self, problems: &mut Problems) {
        for (name, duration) in [
            ("sso_idle", self.sso_idle),
            ("sso_absolute", self.sso_absolute),
            ("sso_kept_idle", self.sso_kept_idle),
            ("sso_kept_absolute", self.sso_kept_absolute),
            ("application_idle", self.application_idle),
            ("application_absolute", self.application_absolute),
        ] {
            problems.check(duration.0.as_secs() > 0, format!("policy.{name}"), "must be at least 1s");
        }
        let grace = self.rotation_grace.0.as_secs() <= ROTATION_GRACE_MAX_S;
        problems.check(grace, "policy.rotation_grace", "must be at most 60s");
        let recovery = self.loss_recovery.0.as_secs() <= LOSS_RECOVERY_MAX_S;
        problems.check(recovery, "policy.loss_recovery", "must be at most 300s");
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        self.grpc.validate(problems);
        problems.check(self.serving.threads <= THREADS_MAX, "serving.threads", "must be 0 to 256");
        self.policy.validate(problems);
        self.access.validate(self.profile, problems);
        self.bus.validate(self.profile, problems);
        self.telemetry.validate(problems);
        self.store.validate(self.profile, problems);
        let name = &self.session.deployment;
        let is_name = !name.is_empty() && name.len() <= 32 && name.chars().all(|c| c.is_ascii_alphanumeric());
        problems.check(is_name, "session.deployment", "must be 1 to 32 letters and digits");
        if let Err(error) = ServerKeys::parse(&self.session.server_keys) {
            problems.add("session.server_keys", error.to_string());
        }
        use secrecy::ExposeSecret as _;
        let has_dev_key = self.session.server_keys.iter().any(|key| key.expose_secret() == DEV_SERVER_KEY);
        let is_unsafe = has_dev_key && self.profile.is_strict();
        problems.check(
            !is_unsafe,
            "session.server_keys",
            "the built-in key is public; make your own: openssl rand -hex 32",
        );
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

    fn load(env: &[(&str, &str)]) -> Result<Config, Problems> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        svc_kit::config::load(DEFAULTS, None, env)
    }

    #[test]
    fn the_defaults_are_good_for_development_and_refused_in_production() {
        load(&[]).unwrap();
        let problems = load(&[("LATCHKEY_PROFILE", "production")]).unwrap_err().to_string();
        assert!(problems.contains("session.server_keys") && problems.contains("operator_keys"), "{problems}");
    }

    #[test]
    fn every_problem_of_the_store_is_named() {
        let env = [
            ("LATCHKEY_STORE__URL", "redis-sentinel://sentinel"),
            ("LATCHKEY_STORE__TLS_CA_FILE", "/no/such/file"),
            ("LATCHKEY_STORE__PREFIX", "{one}"),
            ("LATCHKEY_STORE__SHARDS", "0"),
        ];
        let problems = load(&env).unwrap_err().to_string();
        for name in ["store.url", "store.tls_ca_file", "store.prefix", "store.shards"] {
            assert!(problems.contains(name), "{name}: {problems}");
        }
        load(&[("LATCHKEY_STORE__URL", "rediss-cluster://app:secret@a:7001,b:7002")]).unwrap();
    }
}
