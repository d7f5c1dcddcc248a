//! Puts session-svc together: the only file that names concrete adapters.

use std::{net::SocketAddr, sync::Arc};

use proto::session::v1::{policy_service_server::PolicyServiceServer, session_service_server::SessionServiceServer};
use svc_kit::{
    access::{AccessLayer, AccessRules, Authenticator},
    boot::{BootError, Parts},
    bus::BusPublisher,
    cli::{Booting, Service},
    config::Profile,
    entropy,
    id::encode_base32,
    ops::{self, Readiness},
    server::{GrpcServer, threads::threads},
    telemetry::metrics,
};

use crate::{
    app::{Sessions, limit::Turns},
    bus,
    config::{Config, DEFAULTS, StoreKind},
    domain::token::ServerKeys,
    grpc::{PolicyGrpc, SessionGrpc},
    ports::{Chores, Outbox, PolicyStore},
    store::{
        memory::MemoryStore,
        redis::{Options, RedisStore},
    },
};

/// The service, for its process.
pub fn service() -> Service<Config> {
    Service { name: "session-svc", defaults: DEFAULTS, start: start_boxed, migrate: None }
}

fn start_boxed(config: Config, parts: Parts) -> Booting {
    Box::pin(async move { start(config, parts).await.map(drop) })
}

/// A running service; it ends with the lifecycle of its parts.
#[derive(Clone, Debug)]
pub struct Running {
    /// Where it answers calls.
    pub grpc_addr: SocketAddr,
    /// Where `/livez`, `/readyz` and `/metrics` are.
    pub ops_addr: SocketAddr,
}

/// Starts the service as tasks of the parts' lifecycle.
///
/// # Errors
/// [`BootError`] when an address is taken or the store is not ours.
pub async fn start(config: Config, parts: Parts) -> Result<Running, BootError> {
    match config.store.kind {
        StoreKind::Redis => {
            let options = Options {
                prefix: &config.store.prefix,
                deployment: &config.session.deployment,
                shards: config.store.shards,
                threads: threads(config.serving.threads),
                copies: usize::from(config.profile == Profile::Ha),
                clock: parts.clock.clone(),
                clock_skew_max: config.store.clock_skew_max.0,
            };
            let store = RedisStore::at(&config.store.location(), &options)?;
            check(&store, &config).await?;
            start_with(store, config, parts).await
        }
        StoreKind::Memory => {
            let clock = parts.clock.clone();
            let store = MemoryStore::new(&config.session.deployment, config.store.shards, clock);
            start_with(store, config, parts).await
        }
    }
}

async fn check(store: &RedisStore, config: &Config) -> Result<(), BootError> {
    let unsafe_settings = store.check().await.map_err(BootError::because("the store cannot be used"))?;
    for setting in unsafe_settings {
        if config.profile.is_strict() {
            return Err(BootError::new(format!("the store is not safe: {setting}")));
        }
        tracing::warn!(setting, "the store is not safe; fine for development");
    }
    Ok(())
}

async fn start_with<S: Chores + Outbox + PolicyStore>(
    store: S,
    config: Config,
    parts: Parts,
) -> Result<Running, BootError> {
    metrics::install(None, "session-svc").map_err(BootError::because("metrics cannot be set up"))?;
    let keys = ServerKeys::parse(&config.session.server_keys);
    let sessions = Arc::new(Sessions {
        store: Arc::new(store),
        keys: keys.map_err(BootError::because("session.server_keys cannot be used"))?,
        policies: config.policy.policies(),
        clock: parts.clock.clone(),
        entropy: parts.entropy.clone(),
        turns: Turns::default(),
    });
    let authenticator = Authenticator::new(&config.access, parts.clock.clone());
    let authenticator = authenticator.map_err(BootError::because("access cannot be set up"))?;
    let access = AccessLayer::new(AccessRules::from_pool(proto::descriptor::pool()), authenticator);
    let readiness = Readiness::new(parts.lifecycle.clone(), &["store", "clock"]);
    let publisher = BusPublisher::new(&config.bus, &parts)?;
    let replica = encode_base32(&entropy::bytes::<10>(&*parts.entropy));
    bus::spawn(sessions.clone(), publisher, replica, readiness.clone(), &parts.lifecycle);
    let grpc_addr = GrpcServer::new(&config.grpc, access)
        .on_threads(threads(config.serving.threads))
        .add_service(SessionServiceServer::new(SessionGrpc::new(sessions.clone())))
        .add_service(PolicyServiceServer::new(PolicyGrpc::new(sessions)))
        .describe(proto::descriptor::FILE_DESCRIPTOR_SET)
        .serve(&readiness, &parts.lifecycle)
        .await
        .map_err(BootError::because("the gRPC server cannot start"))?;
    let ops_addr = ops::serve(config.ops.listen, readiness, &parts.lifecycle)
        .await
        .map_err(BootError::because(format!("cannot listen on {}", config.ops.listen)))?;
    Ok(Running { grpc_addr, ops_addr })
}
