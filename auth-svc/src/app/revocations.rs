//! Carries out orders to end sessions, and to take over what was changed here.
//!
//! A change that must end sessions, or that session-svc must know of, writes its order in the same transaction. It is carried
//! out at once; if session-svc is away then, this task goes on until it is done. Carrying out an order twice does no more.
//!
//! An order that session-svc refuses is put off, longer each time, so that it holds up no other: every pass ends with
//! each order that was due either done or put off.

use std::{convert::Infallible, time::Duration};

use svc_kit::error::chain;

use super::{Adapters, Auth};
use crate::{
    domain::session_policy::PolicyScope,
    error::AuthError,
    ports::{Revocation, RevocationReason, Sessions as _, SessionsError, StoreError, UserStore as _},
};

/// How often orders are looked for that could not be carried out at once.
const PERIOD: Duration = Duration::from_secs(1);
/// How long an order that was refused for the first time waits, and at most.
const REFUSED_FIRST: Duration = Duration::from_secs(2);
const REFUSED_MAX: Duration = Duration::from_secs(600);

impl<A: Adapters> Auth<A> {
    /// Carries out what can be carried out now; the rest stays ordered.
    pub async fn carry_out_revocations(&self) {
        if let Err(error) = self.carry_out_all().await {
            tracing::warn!(error = chain(&error), "orders to session-svc wait");
        }
    }

    /// Carries out what can be carried out now, if a change has just ordered something.
    pub(super) async fn carry_out_if(&self, is_ordered: bool) {
        if is_ordered {
            self.carry_out_revocations().await;
        }
    }

    async fn carry_out_all(&self) -> Result<(), AuthError> {
        loop {
            let now = self.clock.now();
            let orders = self.store.revocations(now).await?;
            if orders.is_empty() {
                return Ok(());
            }
            for order in orders {
                match self.carry_out(&order).await {
                    Ok(()) => self.store.revoked(order.id).await?,
                    Err(
                        error @ (AuthError::Sessions(SessionsError::Unavailable(_))
                        | AuthError::Store(StoreError::Unavailable(_))),
                    ) => return Err(error),
                    Err(error) => {
                        tracing::error!(order = order.id, error = chain(&error), "an order is refused");
                        self.store.revocation_refused(order.id, now.saturating_add(wait(order.refusals))).await?;
                    }
                }
            }
        }
    }

    async fn carry_out(&self, order: &Revocation) -> Result<(), AuthError> {
        match order.reason {
            RevocationReason::TenantState => self.settle_tenant(&order.tenant).await,
            RevocationReason::SessionPolicy => {
                let (tenant, application) = (order.tenant.clone(), order.application.clone());
                self.settle_policy(&PolicyScope { tenant, application }).await
            }
            _ => Ok(self.sessions.carry_out(order).await?),
        }
    }

    /// Carries out orders for ever.
    pub async fn keep_carrying_out(&self) -> Infallible {
        loop {
            self.carry_out_revocations().await;
            tokio::time::sleep(PERIOD).await;
        }
    }
}

/// How long an order waits that was refused so often before.
fn wait(refusals: i32) -> Duration {
    let doublings = u32::try_from(refusals).unwrap_or_default().min(16);
    REFUSED_FIRST.saturating_mul(1 << doublings).min(REFUSED_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_order_waits_longer_each_time_but_not_for_ever() {
        let waits: Vec<u64> = [0, 1, 2, 8, 9, i32::MAX].map(|refusals| wait(refusals).as_secs()).into();
        assert_eq!(waits, [2, 4, 8, 512, 600, 600]);
    }
}
