//! The delivery engine.
//!
//! Cast: [`accept`](super::accept) writes delivery rows; the **engine** claims rows that are due, for a lease, and sends
//! each; the result is recorded with the next due time in one transaction. The rows are the truth: whatever dies, a lease
//! ends and the row is due again. A result counts only for the claim that it belongs to, so a sender that was thought dead
//! cannot overwrite what came after it. Tenants take turns, then their endpoints, and both have bounds: a slow receiver holds
//! up only itself.

use std::{convert::Infallible, sync::Arc, time::Duration};

use svc_kit::error::chain;

use super::{Webhooks, under_way::UnderWay};
use crate::ports::{Claim, DeliveryStore, LogoutTokens, Means, Receipt, Room, Sender, StoreError};

/// How long a claim lasts: longer than any attempt.
const LEASE: Duration = Duration::from_secs(60);
/// Attempts under way at once: for one endpoint, for one tenant, and in all.
const PER_ENDPOINT_MAX: usize = 10;
const PER_TENANT_MAX: usize = 128;
const IN_FLIGHT_MAX: usize = 256;
/// Longest sleep when nothing is known to be due: another replica may have written something.
const POLL: Duration = Duration::from_secs(1);
/// Shortest sleep: what is due already is claimed by somebody else just now.
const SHORTEST: Duration = Duration::from_millis(5);
/// How long to wait after the store failed.
const RETRY: Duration = Duration::from_millis(500);

impl<S: DeliveryStore> Webhooks<S> {
    /// Delivers for ever.
    pub async fn deliver<D: Sender, T: LogoutTokens>(self: Arc<Self>, means: Arc<Means<D, T>>) -> Infallible {
        let mut under_way = UnderWay::default();
        loop {
            let room = Room {
                in_flight: under_way.by_endpoint(),
                per_endpoint: PER_ENDPOINT_MAX,
                per_tenant: PER_TENANT_MAX,
                limit: IN_FLIGHT_MAX - under_way.len(),
            };
            let claims = match self.claim(&room).await {
                Ok(claims) => claims,
                Err(error) => {
                    tracing::warn!(error = chain(&error), "due deliveries cannot be read now");
                    tokio::time::sleep(RETRY).await;
                    Vec::new()
                }
            };
            let is_idle = claims.is_empty();
            for claim in claims {
                let (this, means) = (self.clone(), means.clone());
                under_way.spawn(claim.endpoint.id.clone(), async move { this.attempt(&means, &claim).await });
            }
            if is_idle || under_way.len() >= IN_FLIGHT_MAX {
                self.wait(&mut under_way, &room).await;
            }
        }
    }

    async fn claim(&self, room: &Room) -> Result<Vec<Claim>, StoreError> {
        if room.limit == 0 {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        self.store.claim(now, now.saturating_add(LEASE), room).await
    }

    /// Waits until an attempt ends, something arrives, or something becomes due that there is room for.
    async fn wait(&self, under_way: &mut UnderWay, room: &Room) {
        let due_in = match self.store.next_due(room).await {
            Ok(Some(due)) if room.limit > 0 => due.duration_since(self.clock.now()).clamp(SHORTEST, POLL),
            Ok(_) | Err(_) => POLL,
        };
        tokio::select! {
            Some(()) = under_way.ended() => {}
            () = self.due.notified() => {}
            () = tokio::time::sleep(due_in) => {}
        }
    }

    /// Tries one delivery and records what came of it.
    pub async fn attempt<D: Sender, T: LogoutTokens>(&self, means: &Means<D, T>, claim: &Claim) {
        let started = self.clock.now();
        let receipt = match self.shipment(claim, &means.tokens, started).await {
            Ok(shipment) => means.sender.send(&shipment).await,
            Err(verdict) => Receipt::without_answer(verdict),
        };
        let outcome = self.outcome(claim, started, &receipt);
        self.meters.attempted(&receipt);
        tracing::info!(
            delivery.id = %claim.id, endpoint.id = %claim.endpoint.id, event.id = claim.event.id,
            verdict = receipt.verdict.name(), status = receipt.verdict.status_code(), "attempted a delivery",
        );
        match self.store.record(claim, outcome).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(delivery.id = %claim.id, "the lease was lost; somebody else tries again"),
            // The lease ends and the delivery is tried again: at least once.
            Err(error) => tracing::warn!(error = chain(&error), delivery.id = %claim.id, "an attempt is not recorded"),
        }
    }
}
