//! Configures and starts the services, each with its own defaults and what the development server needs otherwise.

use std::net::SocketAddr;

use serde::de::DeserializeOwned;
use svc_kit::{
    boot::Parts,
    config::{self, OperatorKey, ShutdownConfig, Validate},
    secret::ExposeSecret as _,
};

use super::{Addresses, DevError, Ports, Seed, ports::local};

/// Starts session-svc, auth-svc and webhook-svc, in the order in which they need one another.
pub(super) async fn start_services(
    ports: Ports,
    seed: &Seed,
    parts: Parts,
) -> Result<(Addresses, ShutdownConfig), DevError> {
    let shared = Shared { issuer: format!("http://localhost:{}", ports.auth_http), keys: operator_keys(seed) };
    let session: session_svc::config::Config =
        shared.load("session-svc", session_svc::config::DEFAULTS, (ports.session_grpc, ports.session_ops), &[])?;
    let shutdown = session.shutdown.clone();
    let session = session_svc::boot::start(session, parts.clone()).await.map_err(boot("session-svc"))?;
    let webhook =
        shared.load("webhook-svc", webhook_svc::config::DEFAULTS, (ports.webhook_grpc, ports.webhook_ops), &[])?;
    let webhook = webhook_svc::boot::start(webhook, parts).await.map_err(boot("webhook-svc"))?;
    let addresses = Addresses {
        issuer: shared.issuer,
        auth_grpc: local(0),
        auth_ops: local(0),
        session_grpc: session.grpc_addr,
        session_ops: session.ops_addr,
        webhook_grpc: webhook.grpc_addr,
        webhook_ops: webhook.ops_addr,
    };
    Ok((addresses, shutdown))
}

/// What every service is told.
struct Shared {
    issuer: String,
    keys: String,
}

impl Shared {
    fn load<C: DeserializeOwned + Validate>(
        &self,
        service: &'static str,
        defaults: &str,
        (grpc, ops): (u16, u16),
        own: &[(&str, String)],
    ) -> Result<C, DevError> {
        let listen = |port: u16| SocketAddr::to_string(&local(port));
        let mut settings = vec![
            ("LATCHKEY_PROFILE", "dev".to_owned()),
            ("LATCHKEY_STORE__KIND", "memory".to_owned()),
            ("LATCHKEY_BUS__KIND", "memory".to_owned()),
            ("LATCHKEY_GRPC__LISTEN", listen(grpc)),
            ("LATCHKEY_OPS__LISTEN", listen(ops)),
            ("LATCHKEY_ACCESS__ISSUER", self.issuer.clone()),
            ("LATCHKEY_ACCESS__JWKS_URL", format!("{}/jwks", self.issuer)),
            ("LATCHKEY_ACCESS__OPERATOR_KEYS", self.keys.clone()),
        ];
        settings.extend(own.iter().cloned());
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value));
        config::load(defaults, None, settings).map_err(|problems| DevError::Config { service, problems })
    }
}

/// Operator keys in the form that configuration takes them.
fn operator_keys(seed: &Seed) -> String {
    let keys = seed.operator_keys.iter().map(|OperatorKey { name, token, .. }| {
        let token = token.as_ref().map(|token| token.expose_secret()).unwrap_or_default();
        let fields = [("name", name.as_str()), ("token", token)].map(|(key, value)| (key.to_owned(), value.into()));
        toml::Value::Table(fields.into_iter().collect())
    });
    toml::Value::Array(keys.collect()).to_string()
}

fn boot(service: &'static str) -> impl FnOnce(svc_kit::boot::BootError) -> DevError {
    move |source| DevError::Boot { service, source }
}
