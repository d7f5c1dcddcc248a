//! Configures and starts the services, each with its own defaults and what the development server needs otherwise.

use std::net::SocketAddr;

use serde::de::DeserializeOwned;
use svc_kit::{
    boot::Parts,
    config::{self, OperatorKey, ShutdownConfig, Validate},
    entropy,
    id::encode_base32,
    secret::ExposeSecret as _,
};

use super::{Addresses, DevError, DevOptions, Ports, ports::local};

/// Starts session-svc, auth-svc and webhook-svc, in the order in which they need one another.
pub(super) async fn start_services(
    ports: Ports,
    options: &DevOptions,
    parts: Parts,
) -> Result<(Addresses, ShutdownConfig), DevError> {
    let seed = &options.seed;
    // What the services call one another with: made anew at every start, and told to nobody else.
    let internal = OperatorKey {
        name: "internal".to_owned(),
        token: Some(encode_base32(&entropy::bytes::<32>(&*parts.entropy)).into()),
        token_sha256: None,
    };
    let keys = seed.operator_keys.iter().chain([&internal]);
    let shared = Shared { issuer: format!("http://localhost:{}", ports.auth_http), keys: operator_keys(keys) };
    let session: session_svc::config::Config =
        shared.load("session-svc", session_svc::config::DEFAULTS, (ports.session_grpc, ports.session_ops), &[])?;
    let shutdown = session.shutdown.clone();
    let session = session_svc::boot::start(session, parts.clone()).await.map_err(boot("session-svc"))?;
    let mut own = vec![
        ("LATCHKEY_HTTP__LISTEN", local(ports.auth_http).to_string()),
        ("LATCHKEY_HTTP__BASE_URL", shared.issuer.clone()),
        ("LATCHKEY_REGISTRATION__ENABLED", "true".to_owned()),
        ("LATCHKEY_SESSIONS__URL", format!("http://{}", session.grpc_addr)),
        ("LATCHKEY_SESSIONS__KEY", token(&internal).to_owned()),
    ];
    own.retain(|(name, _)| options.auth_settings.iter().all(|(other, _)| other != name));
    own.extend(options.auth_settings.iter().cloned());
    let auth: auth_svc::config::Config =
        shared.load("auth-svc", auth_svc::config::DEFAULTS, (ports.auth_grpc, ports.auth_ops), &own)?;
    let auth = auth_svc::boot::start(auth, Some(seed.directory.clone()), parts.clone()).await;
    let auth = auth.map_err(boot("auth-svc"))?;
    let own = [
        ("LATCHKEY_HTTP__LISTEN", local(ports.webhook_http).to_string()),
        ("LATCHKEY_AUTH__URL", format!("http://{}", auth.grpc_addr)),
        ("LATCHKEY_AUTH__KEY", token(&internal).to_owned()),
    ];
    let webhook =
        shared.load("webhook-svc", webhook_svc::config::DEFAULTS, (ports.webhook_grpc, ports.webhook_ops), &own)?;
    let webhook = webhook_svc::boot::start(webhook, parts).await.map_err(boot("webhook-svc"))?;
    let addresses = Addresses {
        issuer: shared.issuer,
        auth_grpc: auth.grpc_addr,
        auth_ops: auth.ops_addr,
        session_grpc: session.grpc_addr,
        session_ops: session.ops_addr,
        webhook_http: webhook.http_addr,
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
fn operator_keys<'k>(keys: impl Iterator<Item = &'k OperatorKey>) -> String {
    let keys = keys.map(|key| {
        let fields = [("name", key.name.as_str()), ("token", token(key))];
        toml::Value::Table(fields.map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect())
    });
    toml::Value::Array(keys.collect()).to_string()
}

fn token(key: &OperatorKey) -> &str {
    key.token.as_ref().map(|token| token.expose_secret()).unwrap_or_default()
}

fn boot(service: &'static str) -> impl FnOnce(svc_kit::boot::BootError) -> DevError {
    move |source| DevError::Boot { service, source }
}
