//! Puts auth-svc together: the only file that names concrete adapters.

use std::{convert::Infallible, marker::PhantomData, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use proto::auth::v1::{
    api_key_service_server::ApiKeyServiceServer, application_service_server::ApplicationServiceServer,
    audit_service_server::AuditServiceServer, auth_service_server::AuthServiceServer,
    consent_service_server::ConsentServiceServer, logout_token_service_server::LogoutTokenServiceServer,
    registration_service_server::RegistrationServiceServer, signing_key_service_server::SigningKeyServiceServer,
    tenant_service_server::TenantServiceServer, user_service_server::UserServiceServer,
};
use sqlx::PgPool;
use svc_kit::{
    access::{AccessLayer, AccessRules, Authenticator},
    boot::{BootError, Parts},
    bus::BusPublisher,
    cli::{Booting, Service},
    egress::Network,
    error::chain,
    ops::{self, Readiness},
    outbox,
    seal::SealKeys,
    secret::{self, ExposeSecret as _},
    server::GrpcServer,
    sql,
    telemetry::metrics,
};
use tokio::net::TcpListener;

use crate::{
    app::{Adapters, Auth, RegistrationRules, Settings, seed::Seed, tenants::KnownTenants, throttle::Throttle},
    config::{Config, DEFAULTS, PasswordsConfig, StoreKind},
    crypto::{Argon2Passwords, JwkSignatures, KeyRing, PublishedKeys, RingKeys, password_threads},
    error::AuthError,
    grpc::{ApiKeyCallers, AuthGrpc},
    http::{self, HttpState},
    ports::Store,
    sessions::GrpcSessions,
    store::{memory::MemoryStore, postgres},
};

/// How often the database is asked whether it answers.
const PROBE: Duration = Duration::from_secs(2);
/// How long starting waits for the database before it gives up, and how often it tries.
const STORE_TRIES: u32 = 60;
const STORE_RETRY: Duration = Duration::from_millis(500);

/// The service, for its process.
pub fn service() -> Service<Config> {
    Service { name: "auth-svc", defaults: DEFAULTS, start: start_boxed, migrate: Some(migrate_boxed) }
}

fn start_boxed(config: Config, parts: Parts) -> Booting {
    Box::pin(async move { start(config, None, parts).await.map(drop) })
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
    /// Where the OpenID Provider and the hosted pages are.
    pub http_addr: SocketAddr,
    /// Where it answers calls.
    pub grpc_addr: SocketAddr,
    /// Where `/livez`, `/readyz` and `/metrics` are.
    pub ops_addr: SocketAddr,
    /// Issuer of the default tenant.
    pub issuer: String,
}

/// The adapters over a store.
struct Chosen<S>(PhantomData<S>);

impl<S: Store> Adapters for Chosen<S> {
    type Store = S;
    type Sessions = GrpcSessions;
    type Passwords = Argon2Passwords;
    type Tokens = Arc<KeyRing>;
    type Signatures = JwkSignatures;
    type KeySets = PublishedKeys;
}

/// Starts the service as tasks of the parts' lifecycle. `seed` is added besides the configured file.
///
/// # Errors
/// [`BootError`] when an address is taken, the database is away, or a setting cannot be used.
pub async fn start(config: Config, seed: Option<Seed>, parts: Parts) -> Result<Running, BootError> {
    metrics::install(None, "auth-svc").map_err(BootError::because("metrics cannot be set up"))?;
    let readiness = Readiness::new(parts.lifecycle.clone(), &["store"]);
    let publisher = BusPublisher::new(&config.bus, &parts)?;
    match config.store.kind {
        StoreKind::Postgres => {
            let pool = sql::pool(&config.postgres)?;
            outbox::postgres::relay(pool.clone(), publisher, &parts.lifecycle);
            probe(pool.clone(), readiness.clone(), &parts);
            start_with(postgres::PostgresStore::new(pool), config, seed, parts, readiness).await
        }
        StoreKind::Memory => {
            let store = MemoryStore::default();
            store.outbox.relay(publisher, &parts.lifecycle);
            readiness.set("store", Ok(()));
            start_with(store, config, seed, parts, readiness).await
        }
    }
}

async fn start_with<S: Store>(
    store: S,
    config: Config,
    seed: Option<Seed>,
    parts: Parts,
    readiness: Readiness,
) -> Result<Running, BootError> {
    let seal = SealKeys::parse(&config.seal.keys).map_err(BootError::because("seal.keys cannot be used"))?;
    let seal = Arc::new(seal);
    let ring = Arc::new(KeyRing::new(seal.clone(), parts.entropy.clone()));
    let cannot_listen = || BootError::because(format!("cannot listen on {}", config.http.listen));
    let listener = TcpListener::bind(config.http.listen).await.map_err(cannot_listen())?;
    let base_url = match config.http.base_url.as_str() {
        "" => format!("http://{}", listener.local_addr().map_err(cannot_listen())?),
        given => given.to_owned(),
    };
    let PasswordsConfig { threads, waiting_max } = config.passwords;
    let passwords = Argon2Passwords::new(password_threads(threads), waiting_max, parts.entropy.clone());
    let auth: Arc<Auth<Chosen<S>>> = Arc::new(Auth {
        store,
        sessions: GrpcSessions::new(&config.sessions.url, &config.sessions.key)?,
        passwords: passwords.map_err(BootError::because("the threads for passwords cannot start"))?,
        tokens: ring.clone(),
        signatures: JwkSignatures,
        key_sets: PublishedKeys::new(config.egress.policy(), Network::system(), parts.clock.clone())?,
        throttle: Throttle::default(),
        tenants: KnownTenants::default(),
        seal,
        settings: Settings {
            base_url,
            default_tenant: config.seed.default_tenant.clone(),
            access_token_lifetime: config.tokens.access_token_lifetime.0,
            audit_kept: config.audit.kept.0,
            audience: config.access.audience.clone(),
            dpop_nonces: config.tokens.dpop_nonces,
            keys_sign_for: config.tokens.signing_key_lifetime.0,
            egress: config.egress.policy(),
            registration: registration_rules(&config),
            client_address_header: config.http.client_address_header.clone(),
        },
        clock: parts.clock.clone(),
        entropy: parts.entropy.clone(),
    });
    open_keys(&auth, &parts).await?;
    fill(&auth, &config, seed).await?;
    keep_promises(auth.clone(), &parts);
    let access = access(&auth, &config, RingKeys(ring), &parts);
    let face = AuthGrpc::new(auth.clone());
    let grpc_addr = GrpcServer::new(&config.grpc, access)
        .add_service(AuthServiceServer::new(face.clone()))
        .add_service(UserServiceServer::new(face.clone()))
        .add_service(LogoutTokenServiceServer::new(face.clone()))
        .add_service(ConsentServiceServer::new(face.clone()))
        .add_service(TenantServiceServer::new(face.clone()))
        .add_service(RegistrationServiceServer::new(face.clone()))
        .add_service(SigningKeyServiceServer::new(face.clone()))
        .add_service(AuditServiceServer::new(face.clone()))
        .add_service(ApiKeyServiceServer::new(face.clone()))
        .add_service(ApplicationServiceServer::new(face))
        .describe(proto::descriptor::FILE_DESCRIPTOR_SET)
        .serve(&readiness, &parts.lifecycle)
        .await
        .map_err(BootError::because("the gRPC server cannot start"))?;
    let issuer = auth.settings.base_url.clone();
    let http_addr = http::serve(http::router(HttpState { auth }), listener, &parts.lifecycle)?;
    let ops_addr = ops::serve(config.ops.listen, readiness, &parts.lifecycle)
        .await
        .map_err(BootError::because(format!("cannot listen on {}", config.ops.listen)))?;
    Ok(Running { http_addr, grpc_addr, ops_addr, issuer })
}

/// Opens the signing keys, and makes the first ones. Waits for a database that is starting too.
async fn open_keys<A: Adapters>(auth: &Auth<A>, parts: &Parts) -> Result<(), BootError> {
    let mut tries = 0;
    loop {
        match auth.key_care().look(auth.clock.now()).await {
            Ok(()) => return Ok(()),
            Err(AuthError::Store(error)) if tries < STORE_TRIES && !parts.lifecycle.is_draining() => {
                tries += 1;
                tracing::warn!(error = chain(&error), "waiting for the database");
                tokio::time::sleep(STORE_RETRY).await;
            }
            Err(error) => return Err(BootError::because("the signing keys cannot be opened")(error)),
        }
    }
}

async fn fill<A: Adapters>(auth: &Auth<A>, config: &Config, seed: Option<Seed>) -> Result<(), BootError> {
    use crate::ports::TenantStore as _;
    let default = &config.seed.default_tenant;
    auth.store
        .ensure_tenant(default, default)
        .await
        .map_err(BootError::because("the default tenant cannot be made"))?;
    let mut seeds: Vec<Seed> = seed.into_iter().collect();
    if !config.seed.file.is_empty() {
        seeds.push(read_seed(Path::new(&config.seed.file))?);
    }
    for seed in seeds {
        auth.seed(seed).await.map_err(BootError::because("the seed cannot be added"))?;
    }
    Ok(())
}

fn read_seed(path: &Path) -> Result<Seed, BootError> {
    let text = std::fs::read_to_string(path).map_err(BootError::because("seed.file cannot be read"))?;
    Seed::parse(&text).map_err(BootError::because("seed.file cannot be used"))
}

fn access<A: Adapters>(auth: &Arc<Auth<A>>, config: &Config, keys: RingKeys, parts: &Parts) -> AccessLayer {
    let issuer = auth.settings.base_url.clone();
    let authenticator = Authenticator::with_operators(&config.access.operator_keys, parts.clock.clone()).with_keys(
        issuer,
        config.access.audience.clone(),
        Arc::new(keys),
    );
    let authenticator = authenticator.with_source(ApiKeyCallers(auth.clone()));
    AccessLayer::new(AccessRules::from_pool(proto::descriptor::pool()), authenticator)
}

fn registration_rules(config: &Config) -> RegistrationRules {
    let tokens = config.registration.initial_access_tokens.iter();
    RegistrationRules {
        is_open: config.registration.enabled,
        initial_tokens: tokens.map(|token| secret::sha256(token.expose_secret().as_bytes())).collect(),
    }
}

fn keep_promises<A: Adapters>(auth: Arc<Auth<A>>, parts: &Parts) {
    let (forgetful, soft) = (auth.clone(), parts.lifecycle.soft().clone());
    parts.lifecycle.spawn("audit trail", async move {
        tokio::select! {
            never = forgetful.keep_forgetting() => match never {},
            () = soft.cancelled() => Ok::<_, Infallible>(()),
        }
    });
    let (soft, keys) = (parts.lifecycle.soft().clone(), auth.clone());
    parts.lifecycle.spawn("signing keys", async move {
        tokio::select! {
            never = keys.keep_looking_after_keys() => match never {},
            () = soft.cancelled() => Ok::<_, Infallible>(()),
        }
    });
    let (soft, policies) = (parts.lifecycle.soft().clone(), auth.clone());
    parts.lifecycle.spawn("session policies", async move {
        tokio::select! {
            never = policies.keep_comparing_policies() => match never {},
            () = soft.cancelled() => Ok::<_, Infallible>(()),
        }
    });
    let soft = parts.lifecycle.soft().clone();
    parts.lifecycle.spawn("revocations", async move {
        tokio::select! {
            never = auth.keep_carrying_out() => match never {},
            () = soft.cancelled() => Ok::<_, Infallible>(()),
        }
    });
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
