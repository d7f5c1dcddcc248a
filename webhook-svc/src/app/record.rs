//! Records what came of attempts: what was plainly taken many at a time, the rest one by one.

use svc_kit::error::chain;

use super::Webhooks;
use crate::ports::{DeliveryStore, Ended};

/// Most tries that are recorded together.
const BATCH_MAX: usize = 128;

impl<S: DeliveryStore> Webhooks<S> {
    /// Records tries that were plainly taken; returns those that must be recorded by themselves.
    pub async fn record_taken(&self, ended: Vec<Ended>) -> Vec<Ended> {
        let mut left = Vec::new();
        for batch in ended.chunks(BATCH_MAX) {
            match self.store.record_taken(batch).await {
                Ok(recorded) => left.extend(batch.iter().filter(|ended| !recorded.contains(&ended.claim.id)).cloned()),
                // Perhaps for one of them only: that one must not hold up the others for ever.
                Err(error) => {
                    tracing::warn!(error = chain(&error), attempts = batch.len(), "attempts are not recorded together");
                    left.extend_from_slice(batch);
                }
            }
        }
        left
    }

    /// Records a try.
    pub async fn record(&self, ended: Ended) {
        let Ended { claim, outcome } = ended;
        match self.store.record(&claim, outcome).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(delivery.id = %claim.id, "the lease was lost; somebody else tries again"),
            // The lease ends and the delivery is tried again: at least once.
            Err(error) => tracing::warn!(error = chain(&error), delivery.id = %claim.id, "an attempt is not recorded"),
        }
    }
}
