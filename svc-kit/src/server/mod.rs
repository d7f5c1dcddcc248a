//! The gRPC server: everything that a call passes before its handler, in one order for every service.
//!
//! A call passes trace, metrics, deadline and panic guard ([`call`]), then access ([`crate::access`]), then admission
//! ([`admission`]), then its handler. Health and reflection are part of every server. A server whose calls are short and many serves on threads of
//! its own ([`threads`]); the others serve on the runtime that they are started on.

mod admission;
mod call;
mod connection;
pub mod threads;

pub use admission::{AdmissionLayer, AdmissionService};
pub use call::{CallLayer, ServerError};
pub use connection::Connection;

use std::{net::SocketAddr, time::Duration};

use futures::StreamExt as _;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{server::NamedService, service::RoutesBuilder, transport::Server};
use tonic_health::ServingStatus;

use threads::Incoming;

use crate::{access::AccessLayer, config::ServerConfig, lifecycle::Lifecycle, ops::Readiness};

/// How many calls may be looked at for each that may be in work: most of a flood is refused when it is known who calls.
const ARRIVALS_FACTOR: usize = 4;
/// How often an idle connection is probed, and how long the answer may take.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Most calls at once on one connection.
const STREAMS_PER_CONNECTION_MAX: u32 = 1024;

/// Why a server cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The descriptors cannot be offered for reflection.
    #[error("the descriptors cannot be offered for reflection")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// A thread cannot be had.
    #[error("cannot start a thread to serve on")]
    Thread(#[source] std::io::Error),
}

/// A gRPC server that is being put together.
pub struct GrpcServer {
    config: ServerConfig,
    access: AccessLayer,
    routes: RoutesBuilder,
    descriptors: Vec<&'static [u8]>,
    services: Vec<&'static str>,
    threads: Option<usize>,
}

impl GrpcServer {
    /// Makes a server without services.
    pub fn new(config: &ServerConfig, access: AccessLayer) -> Self {
        let descriptors = vec![tonic_health::pb::FILE_DESCRIPTOR_SET];
        Self {
            config: config.clone(),
            access,
            routes: RoutesBuilder::default(),
            descriptors,
            services: Vec::new(),
            threads: None,
        }
    }

    /// Serves on `count` threads with a runtime each, see [`threads`].
    #[must_use]
    pub fn on_threads(mut self, count: usize) -> Self {
        self.threads = Some(count);
        self
    }

    /// Adds a service.
    #[must_use]
    pub fn add_service<S>(mut self, service: S) -> Self
    where
        S: tower::Service<
                http::Request<tonic::body::Body>,
                Response = http::Response<tonic::body::Body>,
                Error = std::convert::Infallible,
            > + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.routes.add_service(service);
        self.services.push(S::NAME);
        self
    }

    /// Describes services by reflection: the encoded `FileDescriptorSet`.
    #[must_use]
    pub fn describe(mut self, descriptors: &'static [u8]) -> Self {
        self.descriptors.push(descriptors);
        self
    }

    /// Binds the address and serves as a task of `lifecycle`. Returns the bound address.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn serve(mut self, readiness: &Readiness, lifecycle: &Lifecycle) -> Result<SocketAddr, StartError> {
        let address = self.config.listen;
        let bind = |source| StartError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let bound = listener.local_addr().map_err(bind)?;
        let (health, health_service) = tonic_health::server::health_reporter();
        self.routes.add_service(health_service);
        if self.config.reflection {
            let mut reflection = tonic_reflection::server::Builder::configure();
            for descriptors in &self.descriptors {
                reflection = reflection.register_encoded_file_descriptor_set(descriptors);
            }
            self.routes.add_service(reflection.build_v1()?);
        }
        let concurrency_max = self.config.concurrency_max;
        let call = CallLayer::new(self.config.deadline.0, concurrency_max.saturating_mul(ARRIVALS_FACTOR));
        let server = Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .max_concurrent_streams(Some(STREAMS_PER_CONNECTION_MAX))
            .layer(call)
            .layer(self.access)
            .layer(AdmissionLayer::new(concurrency_max));
        let routes = self.routes.routes();
        report_health(health, self.services, readiness, lifecycle);
        let soft = lifecycle.soft().clone();
        let serve = |incoming: Incoming| {
            let mut server = server;
            server.add_routes(routes).serve_with_incoming_shutdown(incoming, soft.cancelled_owned())
        };
        match self.threads {
            Some(count) => threads::serve_on_threads(listener, count, serve, lifecycle).map_err(StartError::Thread)?,
            None => lifecycle.spawn("grpc", serve(without_delay(listener))),
        }
        Ok(bound)
    }
}

/// The connections of a listener; what is written to them leaves at once.
fn without_delay(listener: TcpListener) -> Incoming {
    let incoming = TcpListenerStream::new(listener).map(|stream| {
        let stream = stream?;
        let _ = stream.set_nodelay(true);
        Ok(Connection::from(stream))
    });
    incoming.boxed()
}

/// Keeps the health service's answers equal to the readiness.
fn report_health(
    health: tonic_health::server::HealthReporter,
    services: Vec<&'static str>,
    readiness: &Readiness,
    lifecycle: &Lifecycle,
) {
    let (readiness, mut changes, soft) = (readiness.clone(), readiness.watch(), lifecycle.soft().clone());
    lifecycle.spawn("health", async move {
        loop {
            let status = if readiness.is_ready() { ServingStatus::Serving } else { ServingStatus::NotServing };
            for service in services.iter().copied().chain([""]) {
                health.set_service_status(service, status).await;
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return Ok::<_, std::convert::Infallible>(()) },
                () = soft.cancelled() => {
                    for service in services.iter().copied().chain([""]) {
                        health.set_service_status(service, ServingStatus::NotServing).await;
                    }
                    return Ok(());
                }
            }
        }
    });
}
