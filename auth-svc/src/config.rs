//! Settings of auth-svc; the commented defaults are in `config.default.toml`.

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

use crate::crypto::PASSWORD_THREADS_MAX;

/// The embedded defaults, which are the schema as well.
pub const DEFAULTS: &str = include_str!("config.default.toml");

/// The key that is in the defaults: good for development, refused elsewhere.
const DEV_SEAL_KEY: &str = "1:6465762d6f6e6c792d6465762d6f6e6c792d6465762d6f6e6c792d6465762121";

/// Shortest token that lets an application register itself, in bytes.
const INITIAL_TOKEN_BYTES_MIN: usize = 32;

/// All settings.
#[derive(Clone, Debug, Deserialize)]
pub struct Config {
    /// How strict the deployment is.
    pub profile: Profile,
    /// The HTTP server.
    pub http: HttpConfig,
    /// The gRPC server.
    pub grpc: ServerConfig,
    /// The operations port.
    pub ops: ListenConfig,
    /// The store.
    pub store: StoreConfig,
    /// PostgreSQL.
    pub postgres: PostgresConfig,
    /// session-svc.
    pub sessions: SessionsConfig,
    /// Tokens.
    pub tokens: TokensConfig,
    /// Applications that register themselves.
    pub registration: RegistrationConfig,
    /// Where to read what applications publish.
    pub egress: EgressConfig,
    /// Passwords.
    pub passwords: PasswordsConfig,
    /// Secrets at rest.
    pub seal: SealConfig,
    /// What to fill an empty directory with.
    pub seed: SeedConfig,
    /// The audit trail.
    pub audit: AuditConfig,
    /// Who may call.
    pub access: AccessConfig,
    /// The event bus.
    pub bus: BusConfig,
    /// Logs, traces, metrics.
    pub telemetry: TelemetryConfig,
    /// How to stop.
    pub shutdown: ShutdownConfig,
}

/// `[http]`.
#[derive(Clone, Debug, Deserialize)]
pub struct HttpConfig {
    /// Address and port; port 0 lets the system choose.
    pub listen: std::net::SocketAddr,
    /// What browsers and applications know us by: the issuer. Empty: `http://` and the bound address.
    pub base_url: String,
    /// The header in which a proxy of ours says where a request comes from; empty for none.
    pub client_address_header: String,
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

/// `[sessions]`.
#[derive(Clone, Debug, Deserialize)]
pub struct SessionsConfig {
    /// Where session-svc is.
    pub url: String,
    /// One of its operator keys.
    pub key: SecretString,
}

/// `[tokens]`.
#[derive(Clone, Debug, Deserialize)]
pub struct TokensConfig {
    /// How long access tokens are good.
    pub access_token_lifetime: HumanDuration,
    /// How long a signing key signs before the next one is made.
    pub signing_key_lifetime: HumanDuration,
    /// Whether proofs of possession must carry a nonce of ours.
    pub dpop_nonces: bool,
}

/// `[registration]`.
#[derive(Clone, Debug, Deserialize)]
pub struct RegistrationConfig {
    /// Whether applications register themselves.
    pub enabled: bool,
    /// Tokens of those that may; empty for all.
    pub initial_access_tokens: Vec<SecretString>,
}

/// `[passwords]`.
#[derive(Clone, Debug, Deserialize)]
pub struct PasswordsConfig {
    /// Passwords checked at once; 0 for one less than there are processors.
    pub threads: usize,
    /// Passwords that may wait; more are refused.
    pub waiting_max: usize,
}

/// `[audit]`.
#[derive(Clone, Debug, Deserialize)]
pub struct AuditConfig {
    /// How long an entry is kept.
    pub kept: HumanDuration,
}

/// `[seal]`.
#[derive(Clone, Debug, Deserialize)]
pub struct SealConfig {
    /// Keys that secrets are sealed with.
    pub keys: Vec<SecretString>,
}

/// `[seed]`.
#[derive(Clone, Debug, Deserialize)]
pub struct SeedConfig {
    /// Path of a seed file; empty for none.
    pub file: String,
    /// The tenant whose issuer is the base URL.
    pub default_tenant: String,
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        self.grpc.validate(problems);
        self.postgres.validate(problems);
        self.access.validate(self.profile, problems);
        self.bus.validate(self.profile, problems);
        self.telemetry.validate(problems);
        self.egress.validate(self.profile, problems);
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
        self.validate_base_url(problems);
        let header = &self.http.client_address_header;
        let is_name = header.is_empty() || header.parse::<http::HeaderName>().is_ok();
        problems.check(is_name, "http.client_address_header", "must be the name of a header");
        problems.check(Url::parse(&self.sessions.url).is_ok(), "sessions.url", "must be a URL");
        self.profile.check_key("sessions.key", &self.sessions.key, problems);
        let is_for_all = self.registration.enabled && self.registration.initial_access_tokens.is_empty();
        problems.check(
            !(is_for_all && is_strict),
            "registration.initial_access_tokens",
            "must be given: without them anybody could register applications",
        );
        let is_short = |token: &SecretString| token.expose_secret().len() < INITIAL_TOKEN_BYTES_MIN;
        problems.check(
            !self.registration.initial_access_tokens.iter().any(is_short),
            "registration.initial_access_tokens",
            "must be at least 32 bytes long each",
        );
        let lifetime = self.tokens.access_token_lifetime.0.as_secs();
        problems.check((30..=3600).contains(&lifetime), "tokens.access_token_lifetime", "must be 30s to 1h");
        let kept_days = self.audit.kept.0.as_secs() / (24 * 3600);
        problems.check((1..=3660).contains(&kept_days), "audit.kept", "must be 1d to 3660d");
        let signs_for = self.tokens.signing_key_lifetime.0.as_secs();
        let is_sound = (24 * 3600..=1000 * 24 * 3600).contains(&signs_for);
        problems.check(is_sound, "tokens.signing_key_lifetime", "must be 1d to 1000d");
        problems.check(self.passwords.threads <= PASSWORD_THREADS_MAX, "passwords.threads", "must be 0 to 64");
        problems.check(self.passwords.waiting_max <= 10_000, "passwords.waiting_max", "must be at most 10000");
    }
}

impl Config {
    fn validate_base_url(&self, problems: &mut Problems) {
        let base = &self.http.base_url;
        let is_strict = self.profile.is_strict();
        if base.is_empty() {
            return problems.check(!is_strict, "http.base_url", "must be given outside profile dev");
        }
        let is_plain = Url::parse(base).is_ok_and(|url| url.query().is_none() && url.fragment().is_none());
        problems.check(
            is_plain && !base.ends_with('/'),
            "http.base_url",
            "must be a URL without query, fragment or final /",
        );
        let is_https = base.starts_with("https://");
        problems.check(is_https || !is_strict, "http.base_url", "must be https outside profile dev");
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
            let settings = [("LATCHKEY_PROFILE", profile), ("LATCHKEY_SESSIONS__KEY", key)];
            let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let loaded = svc_kit::config::load::<Config>(DEFAULTS, None, settings);
            loaded.map(drop).map_err(|problems| problems.to_string()).err().unwrap_or_default()
        };
        let refused = "sessions.key: the built-in key is public";
        assert_eq!(problems("dev", "dev-operator-key"), "");
        for profile in ["production", "ha"] {
            assert!(problems(profile, "dev-operator-key").contains(refused));
            assert!(!problems(profile, "one of our own").contains(refused));
        }
    }
}
