//! What the service looks after without being asked: the [reconciler](Webhooks::reconcile) and the
//! [retention](Webhooks::retain).
//!
//! Nothing here is needed for a delivery to arrive. It proves that nothing is forgotten, and repairs what should not be: each
//! repair is a fault, of ours or of whoever changed the rows.

use std::{convert::Infallible, sync::Arc, time::Duration};

use svc_kit::error::chain;

use super::Webhooks;
use crate::ports::{ReconcileBounds, Retention, StoreError, UpkeepStore};

/// How the reconciler goes through the log: a step is a few milliseconds, and a million events take half an hour.
const RECONCILE_EVENTS: usize = 500;
const RECONCILE_PAUSE: Duration = Duration::from_secs(1);
const RECONCILE_REST: Duration = Duration::from_secs(60);
const LAPSED_AFTER: Duration = Duration::from_secs(600);
/// Events and deliveries that a step of the retention removes, and its pauses: millions a day at most.
const RETAIN_BATCH: usize = 1_000;
const RETAIN_PAUSE: Duration = Duration::from_secs(1);
const RETAIN_REST: Duration = Duration::from_secs(3_600);
/// How often a replica asks whether it is time for a step.
const ASK_EVERY: Duration = Duration::from_secs(1);

impl<S: UpkeepStore> Webhooks<S> {
    /// Reconciles for ever, with the events that arrived within `age_max`.
    pub async fn reconcile(self: Arc<Self>, age_max: Duration) -> Infallible {
        loop {
            if let Err(error) = self.reconcile_once(age_max).await {
                tracing::warn!(error = chain(&error), "the deliveries cannot be reconciled now");
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// Does a step, if it is time for one; counts and reports what it repaired.
    async fn reconcile_once(&self, age_max: Duration) -> Result<(), StoreError> {
        let bounds = ReconcileBounds {
            events: RECONCILE_EVENTS,
            age_max,
            lapsed_after: LAPSED_AFTER,
            pause: RECONCILE_PAUSE,
            rest: RECONCILE_REST,
        };
        let reconciled = self.store.reconcile(self.clock.now(), bounds).await?;
        self.meters.repaired(reconciled.repairs);
        if reconciled.repairs.total() > 0 {
            tracing::error!(repairs = ?reconciled.repairs, "deliveries were not as they should be; they are repaired");
            self.due.notify_one();
        }
        Ok(())
    }
    /// Removes for ever what is older than `payload` (events) and `attempts` (deliveries and attempts).
    pub async fn retain(self: Arc<Self>, payload: Duration, attempts: Duration) -> Infallible {
        let (batch, pause, rest) = (RETAIN_BATCH, RETAIN_PAUSE, RETAIN_REST);
        let rules = Retention { payload, attempts, batch, pause, rest };
        loop {
            match self.store.retain(self.clock.now(), rules).await {
                Ok(retained) if retained.events + retained.deliveries + retained.partitions > 0 => {
                    tracing::info!(
                        events = retained.events,
                        deliveries = retained.deliveries,
                        partitions = retained.partitions,
                        "removed what is old",
                    );
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(error = chain(&error), "what is old cannot be removed now"),
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}
