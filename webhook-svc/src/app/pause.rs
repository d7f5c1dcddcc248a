//! Pauses endpoints and resumes them.

use svc_kit::access::Caller;

use super::Webhooks;
use crate::{
    domain::endpoint::{DrainRate, Endpoint, EndpointId},
    error::WebhookError,
    ports::{DeliveryStore, StoreError},
};

impl<S: DeliveryStore> Webhooks<S> {
    /// Keeps the events of an endpoint from now on.
    ///
    /// # Errors
    /// [`WebhookError::EndpointNotFound`], [`WebhookError::EndpointDisabled`], [`WebhookError::Contention`], or a failure
    /// of the store.
    pub async fn pause(&self, caller: &Caller, id: &EndpointId) -> Result<Endpoint, WebhookError> {
        let mut endpoint = self.enabled_endpoint(caller, id).await?;
        if endpoint.paused_at.is_some() {
            return Ok(endpoint);
        }
        endpoint.paused_at = Some(self.clock.now());
        self.put(endpoint).await
    }

    /// Sends again; what piled up at `rate`.
    ///
    /// # Errors
    /// [`WebhookError::EndpointNotFound`], [`WebhookError::EndpointDisabled`], [`WebhookError::Contention`], or a failure
    /// of the store.
    pub async fn resume(&self, caller: &Caller, id: &EndpointId, rate: DrainRate) -> Result<Endpoint, WebhookError> {
        let mut endpoint = self.enabled_endpoint(caller, id).await?;
        if endpoint.paused_at.take().is_none() {
            return Ok(endpoint);
        }
        let (seen, now) = (endpoint.updated_at, self.clock.now());
        endpoint.updated_at = self.next_change(seen);
        let (store, resumed) = (self.store.clone(), endpoint.clone());
        // A task of its own: with a large backlog it takes longer than a call may, and goes on when the caller has left.
        let resume = tokio::spawn(async move { store.resume_endpoint(&resumed, seen, now, rate).await });
        if !resume.await.map_err(|error| StoreError::Failed(error.into()))?? {
            return Err(WebhookError::Contention);
        }
        self.due.notify_one();
        Ok(endpoint)
    }

    async fn enabled_endpoint(&self, caller: &Caller, id: &EndpointId) -> Result<Endpoint, WebhookError> {
        let endpoint = self.endpoint(caller, id).await?;
        if endpoint.disabled.is_some() { Err(WebhookError::EndpointDisabled) } else { Ok(endpoint) }
    }
}
