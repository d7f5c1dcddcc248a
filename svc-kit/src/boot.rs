//! What starting a service needs, and why it may fail.

use std::sync::Arc;

use crate::{
    bus::MemoryBus,
    clock::{Clock, SystemClock},
    entropy::{Entropy, OsEntropy},
    lifecycle::Lifecycle,
};

/// What the services of one process share.
#[derive(Clone)]
pub struct Parts {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// The bus, where it is in memory.
    pub memory_bus: Option<MemoryBus>,
    /// The tasks.
    pub lifecycle: Lifecycle,
}

impl Parts {
    /// The parts of an ordinary process: the machine's clock and randomness, no memory bus.
    pub fn system() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            memory_bus: None,
            lifecycle: Lifecycle::new(),
        }
    }
}

/// A service cannot start.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct BootError {
    what: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl BootError {
    /// Says what failed.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }

    /// Returns a function that says what failed and keeps the cause.
    pub fn because<E>(what: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let what = what.into();
        move |source| Self { what, source: Some(source.into()) }
    }
}
