//! Shows deliveries and repeats them.

use svc_kit::access::Caller;

use super::Webhooks;
use crate::{
    domain::delivery::{Attempt, Delivery, DeliveryId},
    error::WebhookError,
    ports::{DeliveryStore, Redelivered},
};

impl<S: DeliveryStore> Webhooks<S> {
    /// Returns a delivery that exists for `caller`, and its attempts.
    ///
    /// # Errors
    /// [`WebhookError::DeliveryNotFound`], or a failure of the store.
    pub async fn delivery(&self, caller: &Caller, id: &DeliveryId) -> Result<(Delivery, Vec<Attempt>), WebhookError> {
        let found = self.store.delivery(id).await?;
        found.filter(|(delivery, _)| caller.may_see(&delivery.tenant)).ok_or(WebhookError::DeliveryNotFound)
    }

    /// Makes a delivery due now, whatever came of it before.
    ///
    /// # Errors
    /// [`WebhookError::DeliveryNotFound`], [`WebhookError::EndpointDisabled`], [`WebhookError::EventExpired`], or a failure of
    /// the store.
    pub async fn redeliver(&self, caller: &Caller, id: &DeliveryId) -> Result<Delivery, WebhookError> {
        self.delivery(caller, id).await?;
        match self.store.redeliver(id, self.clock.now()).await? {
            Redelivered::Done => {}
            Redelivered::EndpointGone => return Err(WebhookError::EndpointDisabled),
            Redelivered::EventGone => return Err(WebhookError::EventExpired),
        }
        self.due.notify_one();
        Ok(self.delivery(caller, id).await?.0)
    }
}
