//! Carries out orders to end sessions.
//!
//! A change of a user that must end sessions writes its order in the same transaction. It is carried out at once; if
//! session-svc is away then, this task goes on until it is done. Carrying out an order twice ends the same sessions.

use std::{convert::Infallible, time::Duration};

use svc_kit::error::chain;

use super::{Adapters, Auth};
use crate::{
    error::AuthError,
    ports::{Sessions as _, SessionsError, UserStore as _},
};

/// How often orders are looked for that could not be carried out at once.
const PERIOD: Duration = Duration::from_secs(1);

impl<A: Adapters> Auth<A> {
    /// Carries out what can be carried out now; the rest stays ordered.
    pub async fn carry_out_revocations(&self) {
        if let Err(error) = self.carry_out_all().await {
            tracing::warn!(error = chain(&error), "orders to end sessions wait");
        }
    }

    async fn carry_out_all(&self) -> Result<(), AuthError> {
        for order in self.store.revocations().await? {
            match self.sessions.revoke_user(&order.tenant, &order.user, order.reason).await {
                Ok(()) => self.store.revoked(order.id).await?,
                Err(error @ SessionsError::Unavailable(_)) => return Err(error.into()),
                // One order that session-svc does not take must not hold up the others; it stays, and is seen.
                Err(error) => tracing::error!(order = order.id, error = chain(&error), "an order is refused"),
            }
        }
        Ok(())
    }

    /// Carries out orders for ever.
    pub async fn keep_carrying_out(&self) -> Infallible {
        loop {
            self.carry_out_revocations().await;
            tokio::time::sleep(PERIOD).await;
        }
    }
}
