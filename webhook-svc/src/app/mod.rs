//! The use cases, one a file.

pub mod accept;
pub mod catalogue;
pub mod deliver;
pub mod deliveries;
pub mod endpoints;
pub mod events;
pub mod health;
pub mod manner;
pub mod meters;
mod outcome;
pub mod pause;
pub mod record;
pub mod replay;
mod shipment;
pub mod signing;
mod under_way;
pub mod upkeep;
pub mod watch;

use std::sync::Arc;

use svc_kit::{clock::Clock, egress::EgressPolicy, entropy::Entropy, seal::SealKeys};
use tokio::sync::Notify;

use self::{meters::Meters, watch::Arrivals};
use crate::domain::schedule::Schedules;

/// The use cases over a store.
pub struct Webhooks<S> {
    /// Where everything is kept.
    pub store: Arc<S>,
    /// Where we may send to.
    pub egress: EgressPolicy,
    /// When attempts are made, where endpoints do not say.
    pub schedules: Schedules,
    /// What secrets are sealed with.
    pub seal: SealKeys,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Tells the delivery engine that something may be due.
    pub due: Notify,
    /// Tells those who watch the log that something arrived.
    pub arrivals: Arrivals,
    /// What is counted.
    pub meters: Meters,
}

#[cfg(test)]
mod tests;
