//! Sections of the configuration that services share.

use std::net::SocketAddr;

use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::{HumanDuration, Problems, Validate};
use crate::egress::EgressPolicy;

/// How strict the deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// A developer's machine: plain-text keys in configuration, plain http, memory stores.
    Dev,
    /// Real users; nothing unsafe is accepted.
    Production,
    /// Like production, and writes wait for a replica.
    Ha,
}

impl Profile {
    /// Says whether unsafe settings must be refused.
    pub fn is_strict(self) -> bool {
        self != Self::Dev
    }

    /// Notes that a service would call another one with the key that is built in.
    pub fn check_key(self, path: &str, key: &SecretString, problems: &mut Problems) {
        let is_public = key.expose_secret() == DEV_OPERATOR_KEY;
        problems.check(!(is_public && self.is_strict()), path, "the built-in key is public; give one of your own");
    }
}

/// The operator key that is in the defaults of every service: good for development, refused elsewhere.
const DEV_OPERATOR_KEY: &str = "dev-operator-key";

/// `[egress]`: where requests may go whose address somebody else chose.
#[derive(Clone, Debug, Deserialize)]
pub struct EgressConfig {
    /// Whether plain http may be used.
    pub allow_http: bool,
    /// Networks that are allowed although they are not public.
    pub allow_networks: Vec<IpNet>,
    /// Ports that may be used; empty means any.
    pub allow_ports: Vec<u16>,
}

impl EgressConfig {
    /// Returns the rules.
    pub fn policy(&self) -> EgressPolicy {
        EgressPolicy {
            allow_http: self.allow_http,
            allow_networks: self.allow_networks.clone(),
            allow_ports: self.allow_ports.clone(),
        }
    }

    /// Notes what `profile` does not allow.
    pub fn validate(&self, profile: Profile, problems: &mut Problems) {
        let is_unsafe = self.allow_http && profile.is_strict();
        problems.check(!is_unsafe, "egress.allow_http", "only profile dev may send over plain http");
    }
}

/// `[grpc]`, `[http]`, `[ops]`: where a server listens.
#[derive(Clone, Debug, Deserialize)]
pub struct ListenConfig {
    /// Address and port; port 0 lets the system choose.
    pub listen: SocketAddr,
}

/// `[grpc]`: the gRPC server.
#[derive(Clone, Debug, Deserialize)]
pub struct ServerConfig {
    /// Address and port; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Longest time for a call; a shorter deadline of the caller is honoured.
    pub deadline: HumanDuration,
    /// Most calls in work at once; more are refused with RESOURCE_EXHAUSTED.
    pub concurrency_max: usize,
    /// Whether the server describes itself (gRPC reflection).
    pub reflection: bool,
}

impl Validate for ServerConfig {
    fn validate(&self, problems: &mut Problems) {
        problems.check(!self.deadline.0.is_zero(), "grpc.deadline", "must be longer than zero");
        problems.check(self.concurrency_max > 0, "grpc.concurrency_max", "must be at least 1");
    }
}

/// `[shutdown]`.
#[derive(Clone, Debug, Deserialize)]
pub struct ShutdownConfig {
    /// How long work under way may take to finish.
    pub grace: HumanDuration,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// `[telemetry]`.
#[derive(Clone, Debug, Deserialize)]
pub struct TelemetryConfig {
    /// OTLP collector (gRPC), e.g. `http://localhost:4317`; empty sends nothing.
    pub otlp_endpoint: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines are written, e.g. `info,session_svc=debug`.
    pub log_filter: String,
}

impl Validate for TelemetryConfig {
    fn validate(&self, problems: &mut Problems) {
        let is_url = self.otlp_endpoint.is_empty() || url::Url::parse(&self.otlp_endpoint).is_ok();
        problems.check(is_url, "telemetry.otlp_endpoint", "must be empty or a URL");
        let filter = tracing_subscriber::EnvFilter::try_new(&self.log_filter);
        problems.check(
            filter.is_ok(),
            "telemetry.log_filter",
            "must be a tracing filter such as info,session_svc=debug",
        );
    }
}

/// Which event bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BusKind {
    /// RabbitMQ.
    Rabbitmq,
    /// Memory of this process; for `latchkey dev` and tests.
    Memory,
}

/// `[bus]`.
#[derive(Clone, Debug, Deserialize)]
pub struct BusConfig {
    /// Which bus.
    pub kind: BusKind,
    /// AMQP URLs of the brokers, tried in turn.
    pub urls: Vec<SecretString>,
    /// Put before the name of every exchange and queue, so that several deployments can share a broker.
    pub prefix: String,
}

impl BusConfig {
    /// Notes what cannot be used under `profile`.
    pub fn validate(&self, profile: Profile, problems: &mut Problems) {
        if self.kind == BusKind::Memory {
            return problems.check(
                !profile.is_strict(),
                "bus.kind",
                "memory loses events; only profile dev may use it",
            );
        }
        problems.check(!self.urls.is_empty(), "bus.urls", "must name at least one broker");
        for url in &self.urls {
            let scheme = url.expose_secret().split_once("://").map(|(scheme, _)| scheme);
            problems.check(matches!(scheme, Some("amqp" | "amqps")), "bus.urls", "must be amqp:// or amqps:// URLs");
        }
    }
}

/// `[postgres]`.
#[derive(Clone, Debug, Deserialize)]
pub struct PostgresConfig {
    /// Connection URL, `postgres://user:password@host:port/database`.
    pub url: SecretString,
    /// Most connections held.
    pub connections_max: u32,
    /// How long to wait for a connection.
    pub acquire_timeout: HumanDuration,
    /// How long one statement may take.
    pub statement_timeout: HumanDuration,
}

impl Validate for PostgresConfig {
    fn validate(&self, problems: &mut Problems) {
        let scheme = self.url.expose_secret().split_once("://").map(|(scheme, _)| scheme);
        problems.check(matches!(scheme, Some("postgres" | "postgresql")), "postgres.url", "must be a postgres:// URL");
        problems.check(self.connections_max > 0, "postgres.connections_max", "must be at least 1");
    }
}

/// `[access]`: who may call.
#[derive(Clone, Debug, Deserialize)]
pub struct AccessConfig {
    /// Issuer of the access tokens that are accepted; empty accepts none.
    pub issuer: String,
    /// Where the issuer publishes its keys (JWKS).
    pub jwks_url: String,
    /// The `aud` that access tokens must have.
    pub audience: String,
    /// Static keys with every scope in every tenant.
    pub operator_keys: Vec<OperatorKey>,
}

/// One static key. Exactly one of `token` and `token_sha256` is set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorKey {
    /// Who uses it; appears as the actor in events.
    pub name: String,
    /// The key itself; only profile `dev` accepts it here.
    pub token: Option<SecretString>,
    /// SHA-256 of the key, in hex.
    pub token_sha256: Option<String>,
}

impl AccessConfig {
    /// Notes what cannot be used under `profile`.
    pub fn validate(&self, profile: Profile, problems: &mut Problems) {
        problems.check(
            self.issuer.is_empty() == self.jwks_url.is_empty(),
            "access.issuer",
            "must be set together with access.jwks_url",
        );
        for key in &self.operator_keys {
            let at = format!("access.operator_keys.{}", key.name);
            problems.check(!key.name.is_empty(), "access.operator_keys", "every key needs a name");
            problems.check(
                key.token.is_some() != key.token_sha256.is_some(),
                &at,
                "needs exactly one of token and token_sha256",
            );
            let is_plain = key.token.is_some() && profile.is_strict();
            problems.check(!is_plain, &at, "must be given as token_sha256 outside profile dev");
            let hash = key.token_sha256.as_deref().map(|hex| data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()));
            let is_hash = hash.is_none_or(|hash| hash.is_ok_and(|hash| hash.len() == 32));
            problems.check(is_hash, &at, "token_sha256 must be 64 hex digits");
        }
    }
}
