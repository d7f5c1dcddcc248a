//! Puts webhook-svc together: the only file that names concrete adapters.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use proto::webhook::v1::{
    delivery_service_server::DeliveryServiceServer, endpoint_service_server::EndpointServiceServer,
    event_service_server::EventServiceServer,
};
use sqlx::PgPool;
use svc_kit::{
    access::{AccessLayer, AccessRules, Authenticator},
    boot::{BootError, Parts},
    bus::{self, BusPublisher},
    cli::{Booting, Service},
    egress::Network,
    ops::{self, Readiness},
    outbox,
    seal::SealKeys,
    server::GrpcServer,
    sql,
    telemetry::metrics,
};
use tokio::sync::Notify;

use crate::{
    app::{Webhooks, accept::Intake, meters::Meters, watch::Arrivals},
    auth::GrpcLogoutTokens,
    config::{Config, DEFAULTS, StoreKind},
    grpc::WebhookGrpc,
    http::{self, HttpSender},
    ports::{Means, UpkeepStore},
    store::{memory::MemoryStore, postgres},
};

/// How often the database is asked whether it answers.
const PROBE: Duration = Duration::from_secs(2);

/// The service, for its process.
pub fn service() -> Service<Config> {
    Service { name: "webhook-svc", defaults: DEFAULTS, start: start_boxed, migrate: Some(migrate_boxed) }
}

fn start_boxed(config: Config, parts: Parts) -> Booting {
    Box::pin(async move { start(config, parts).await.map(drop) })
}

fn migrate_boxed(config: Config) -> Booting {
    Box::pin(async move { migrate(&config).await })
}

/// Brings the database to the state that this version needs.
///
/// # Errors
/// [`BootError`].
pub async fn migrate(config: &Config) -> Result<(), BootError> {
    sql::migrate(&sql::pool(&config.postgres)?, &postgres::MIGRATIONS).await
}

/// A running service; it ends with the lifecycle of its parts.
#[derive(Clone, Debug)]
pub struct Running {
    /// Where the public keys of endpoints are read.
    pub http_addr: SocketAddr,
    /// Where it answers calls.
    pub grpc_addr: SocketAddr,
    /// Where `/livez`, `/readyz` and `/metrics` are.
    pub ops_addr: SocketAddr,
}

/// Starts the service as tasks of the parts' lifecycle.
///
/// # Errors
/// [`BootError`] when an address is taken or a setting cannot be used.
pub async fn start(config: Config, parts: Parts) -> Result<Running, BootError> {
    start_on(config, parts, Network::system()).await
}

/// Starts the service on a network: with names and certificates that others made.
///
/// # Errors
/// As [`start`].
pub async fn start_on(config: Config, parts: Parts, network: Network) -> Result<Running, BootError> {
    metrics::install(None, "webhook-svc").map_err(BootError::because("metrics cannot be set up"))?;
    let readiness = Readiness::new(parts.lifecycle.clone(), &["store", "bus"]);
    let publisher = BusPublisher::new(&config.bus, &parts)?;
    match config.store.kind {
        StoreKind::Postgres => {
            let pool = sql::pool(&config.postgres)?;
            outbox::postgres::relay(pool.clone(), publisher, &parts.lifecycle);
            probe(pool.clone(), readiness.clone(), &parts);
            start_with(postgres::PostgresStore::new(pool), &config, &parts, (readiness, network)).await
        }
        StoreKind::Memory => {
            let store = MemoryStore::default();
            store.outbox.relay(publisher, &parts.lifecycle);
            readiness.set("store", Ok(()));
            start_with(store, &config, &parts, (readiness, network)).await
        }
    }
}

async fn start_with<S: UpkeepStore>(
    store: S,
    config: &Config,
    parts: &Parts,
    (readiness, network): (Readiness, Network),
) -> Result<Running, BootError> {
    let egress = config.egress.policy();
    let webhooks = Arc::new(Webhooks {
        store: Arc::new(store),
        egress: egress.clone(),
        schedules: config.retries.schedules().map_err(BootError::because("retries cannot be used"))?,
        seal: SealKeys::parse(&config.seal.keys).map_err(BootError::because("seal.keys cannot be used"))?,
        clock: parts.clock.clone(),
        entropy: parts.entropy.clone(),
        due: Notify::new(),
        arrivals: Arrivals::default(),
        meters: Meters::default(),
    });
    let attached = readiness.clone();
    let on_attached = Arc::new(move |state| attached.set("bus", state));
    bus::consume(&config.bus, parts, Intake::new(webhooks.clone()), on_attached)?;
    let tokens = GrpcLogoutTokens::new(&config.auth.url, &config.auth.key)?;
    let (engine, means) = (webhooks.clone(), Arc::new(Means { sender: HttpSender::new(egress, network)?, tokens }));
    let soft = parts.lifecycle.soft().clone();
    parts.lifecycle.spawn("delivery engine", async move {
        engine.deliver(means, soft.cancelled()).await;
        Ok::<_, Infallible>(())
    });
    let (payload, attempts) = (config.retention.payload.0, config.retention.attempts.0);
    let (reconciler, soft) = (webhooks.clone(), parts.lifecycle.soft().clone());
    parts.lifecycle.spawn("reconciler", async move {
        tokio::select! {
            never = reconciler.reconcile(payload) => match never {},
            () = soft.cancelled() => Ok::<_, Infallible>(()),
        }
    });
    let (retention, soft) = (webhooks.clone(), parts.lifecycle.soft().clone());
    parts.lifecycle.spawn("retention", async move {
        tokio::select! {
            never = retention.retain(payload, attempts) => match never {},
            () = soft.cancelled() => Ok::<_, Infallible>(()),
        }
    });
    let authenticator = Authenticator::new(&config.access, parts.clock.clone());
    let authenticator = authenticator.map_err(BootError::because("access cannot be set up"))?;
    let access = AccessLayer::new(AccessRules::from_pool(proto::descriptor::pool()), authenticator);
    let http_addr = http::keys::serve(webhooks.clone(), config.http.listen, &parts.lifecycle)
        .await
        .map_err(BootError::because(format!("cannot listen on {}", config.http.listen)))?;
    let face = WebhookGrpc::new(webhooks, parts.lifecycle.clone());
    let grpc_addr = GrpcServer::new(&config.grpc, access)
        .add_service(EndpointServiceServer::new(face.clone()))
        .add_service(DeliveryServiceServer::new(face.clone()))
        .add_service(EventServiceServer::new(face))
        .describe(proto::descriptor::FILE_DESCRIPTOR_SET)
        .serve(&readiness, &parts.lifecycle)
        .await
        .map_err(BootError::because("the gRPC server cannot start"))?;
    let ops_addr = ops::serve(config.ops.listen, readiness, &parts.lifecycle)
        .await
        .map_err(BootError::because(format!("cannot listen on {}", config.ops.listen)))?;
    Ok(Running { http_addr, grpc_addr, ops_addr })
}

fn probe(pool: PgPool, readiness: Readiness, parts: &Parts) {
    let soft = parts.lifecycle.soft().clone();
    parts.lifecycle.spawn("store probe", async move {
        loop {
            readiness.set("store", sql::probe(&pool).await);
            tokio::select! {
                () = tokio::time::sleep(PROBE) => {}
                () = soft.cancelled() => return Ok::<_, Infallible>(()),
            }
        }
    });
}
