//! What the use cases are tried with: everything in memory.

use std::sync::Arc;

use svc_kit::{
    clock::{Clock, Timestamp},
    egress::EgressPolicy,
    entropy::OsEntropy,
    seal::SealKeys,
    telemetry::TraceContext,
};
use tokio::sync::Notify;

use super::{Webhooks, meters::Meters, watch::Arrivals};
use crate::{domain::schedule::Schedules, ports::LoggedEvent, store::memory::MemoryStore};

/// The tenant of the stories.
pub const TENANT: &str = "acme";
/// When they happen.
pub const START: Timestamp = Timestamp::from_ms(1_700_000_000_000);

/// The use cases over an empty store.
pub fn webhooks(clock: Arc<dyn Clock>) -> Arc<Webhooks<MemoryStore>> {
    Arc::new(Webhooks {
        store: Arc::new(MemoryStore::default()),
        egress: EgressPolicy::default(),
        schedules: Schedules::default(),
        seal: SealKeys::parse(&[format!("1:{}", "ab".repeat(32)).into()]).unwrap(),
        clock,
        entropy: Arc::new(OsEntropy),
        due: Notify::new(),
        arrivals: Arrivals::default(),
        meters: Meters::default(),
    })
}

/// An event of the tenant.
pub fn event(n: usize) -> LoggedEvent {
    LoggedEvent {
        id: format!("e{n}"),
        tenant: TENANT.to_owned(),
        event_type: "session.revoked".to_owned(),
        application: "app_shop".to_owned(),
        user: "user_ada".to_owned(),
        aggregate: "sess_1".to_owned(),
        sequence: 0,
        occurred_at: START,
        received_at: START,
        payload: "{}".to_owned(),
        trace: TraceContext::default(),
    }
}
