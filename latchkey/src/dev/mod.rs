//! The development server: all three services in one process, everything in memory, lost at exit.
//!
//! The services are the real ones, started through their `boot::start` with the in-memory stores and one shared bus in
//! memory; they still talk to one another by gRPC and HTTP on this machine. End-to-end tests use the same code.

mod banner;
mod configs;
mod ports;
mod seed;

use std::{net::SocketAddr, sync::Arc};

use svc_kit::{
    boot::{BootError, Parts},
    bus::MemoryBus,
    clock::{Clock, SystemClock},
    config::{Problems, ShutdownConfig},
    entropy::OsEntropy,
    lifecycle::{Crashed, Lifecycle},
};

pub use banner::banner;
pub use ports::Ports;
pub use seed::{Seed, SeedError};

/// How often another free HTTP port is tried when somebody was faster.
const TRIES: usize = 5;

/// How to start the development server.
#[derive(Clone)]
pub struct DevOptions {
    /// Where it listens.
    pub ports: Ports,
    /// What it knows at the start.
    pub seed: Seed,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Settings of auth-svc that differ from what the development server usually has, by the names of their variables.
    pub auth_settings: Vec<(&'static str, String)>,
}

impl DevOptions {
    /// The machine's clock, and what `seed` says, on `ports`.
    pub fn new(ports: Ports, seed: Seed) -> Self {
        Self { ports, seed, clock: Arc::new(SystemClock), auth_settings: Vec::new() }
    }
}

/// Why the development server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The offset leads out of the range of ports.
    #[error("port offset {0} leads to ports above 65535")]
    Offset(u16),
    /// Ports are taken.
    #[error("these ports are taken: {0}")]
    Taken(String),
    /// No port can be had.
    #[error("no free port can be had")]
    NoPort(#[source] std::io::Error),
    /// The settings do not fit; a fault of ours.
    #[error("the settings of {service} do not fit")]
    Config {
        /// Which service.
        service: &'static str,
        /// What is wrong with them.
        #[source]
        problems: Problems,
    },
    /// A service does not start.
    #[error("{service} does not start")]
    Boot {
        /// Which service.
        service: &'static str,
        /// Why.
        #[source]
        source: BootError,
    },
}

/// Where a running development server is found.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Issuer of the default tenant, and base of the hosted pages.
    pub issuer: String,
    /// gRPC of auth-svc.
    pub auth_grpc: SocketAddr,
    /// Operations port of auth-svc.
    pub auth_ops: SocketAddr,
    /// gRPC of session-svc.
    pub session_grpc: SocketAddr,
    /// Operations port of session-svc.
    pub session_ops: SocketAddr,
    /// HTTP of webhook-svc.
    pub webhook_http: SocketAddr,
    /// gRPC of webhook-svc.
    pub webhook_grpc: SocketAddr,
    /// Operations port of webhook-svc.
    pub webhook_ops: SocketAddr,
}

/// A running development server.
pub struct DevServer {
    /// Where it is found.
    pub addresses: Addresses,
    /// What it knew at the start.
    pub seed: Seed,
    lifecycle: Lifecycle,
    shutdown: ShutdownConfig,
}

impl DevServer {
    /// Returns the tasks of the services.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Begins to stop: nothing new is accepted, work under way is finished.
    pub fn shutdown(&self) {
        self.lifecycle.shutdown();
    }

    /// Waits until everything has stopped.
    ///
    /// # Errors
    /// [`Crashed`] when a part of it ended before it was asked to.
    pub async fn wait(self) -> Result<(), Crashed> {
        self.lifecycle.wait(self.shutdown.grace.0).await
    }
}

/// Starts the development server.
///
/// # Errors
/// [`DevError`]; nothing is left running then.
pub async fn start(options: DevOptions) -> Result<DevServer, DevError> {
    options.ports.check()?;
    let mut tries = TRIES;
    loop {
        let ports = options.ports.with_http_port().map_err(DevError::NoPort)?;
        let parts = Parts {
            clock: options.clock.clone(),
            entropy: Arc::new(OsEntropy),
            memory_bus: Some(MemoryBus::new()),
            lifecycle: Lifecycle::new(),
        };
        let lifecycle = parts.lifecycle.clone();
        tries -= 1;
        match configs::start_services(ports, &options, parts).await {
            Ok((addresses, shutdown)) => return Ok(DevServer { addresses, seed: options.seed, lifecycle, shutdown }),
            Err(error) => {
                lifecycle.shutdown();
                lifecycle.hard().cancel();
                // Between the choice of the HTTP port and its use somebody else may have taken it.
                if options.ports.auth_http != 0 || tries == 0 || ports.check().is_ok() {
                    return Err(error);
                }
            }
        }
    }
}
