//! Calls → use cases: parse, run, answer. Nothing is decided here.

mod message;
mod parse;

use std::sync::Arc;

use proto::webhook::v1 as pb;
use secrecy::ExposeSecret as _;
use svc_kit::{
    access::{Caller, caller_of},
    error::to_status,
    page,
};
use tonic::{Request, Response, Status};

use crate::{
    app::Webhooks,
    error::WebhookError,
    ports::{DeliveryQuery, DeliveryStore},
};

/// Objects on a page when the request does not say, and at most.
const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 500;

/// The gRPC face of the use cases.
pub struct WebhookGrpc<S> {
    webhooks: Arc<Webhooks<S>>,
}

impl<S> Clone for WebhookGrpc<S> {
    fn clone(&self) -> Self {
        Self { webhooks: self.webhooks.clone() }
    }
}

impl<S> WebhookGrpc<S> {
    /// Makes the face of `webhooks`.
    pub fn new(webhooks: Arc<Webhooks<S>>) -> Self {
        Self { webhooks }
    }
}

fn status(error: impl Into<WebhookError>) -> Status {
    to_status(&error.into())
}

fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    caller_of(request).cloned().map_err(|error| to_status(&error))
}

fn size(page_size: i32) -> Result<usize, Status> {
    page::size(page_size, PAGE_DEFAULT, PAGE_MAX).map_err(status)
}

#[tonic::async_trait]
impl<S: DeliveryStore> pb::endpoint_service_server::EndpointService for WebhookGrpc<S> {
    async fn create_endpoint(
        &self,
        request: Request<pb::CreateEndpointRequest>,
    ) -> Result<Response<pb::CreateEndpointResponse>, Status> {
        let new = parse::new_endpoint(request.into_inner()).map_err(status)?;
        let (endpoint, secret) = self.webhooks.create_endpoint(new).await.map_err(status)?;
        let (endpoint, secret) = (Some(message::endpoint(&endpoint)), secret.expose_secret().to_owned());
        Ok(Response::new(pb::CreateEndpointResponse { endpoint, secret }))
    }

    async fn get_endpoint(
        &self,
        request: Request<pb::GetEndpointRequest>,
    ) -> Result<Response<pb::GetEndpointResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::endpoint_id("endpoint_id", &request.into_inner().endpoint_id).map_err(status)?;
        let endpoint = self.webhooks.endpoint(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::GetEndpointResponse { endpoint: Some(message::endpoint(&endpoint)) }))
    }

    async fn list_endpoints(
        &self,
        request: Request<pb::ListEndpointsRequest>,
    ) -> Result<Response<pb::ListEndpointsResponse>, Status> {
        let request = request.into_inner();
        let tenant = parse::tenant(&request.tenant_id).map_err(status)?;
        let size = size(request.page_size)?;
        let identity = [b"endpoints ", tenant.as_bytes()].concat();
        let after = parse::endpoint_cursor(&identity, &request.page_token).map_err(status)?;
        let found = self.webhooks.store.endpoints(&tenant, after.as_ref(), size + 1).await.map_err(status)?;
        let page = &found[..found.len().min(size)];
        let last = page.last().filter(|_| found.len() > size);
        let next_page_token = last.map(|last| page::encode(&identity, last.id.as_str().as_bytes())).unwrap_or_default();
        let endpoints = page.iter().map(message::endpoint).collect();
        Ok(Response::new(pb::ListEndpointsResponse { endpoints, next_page_token }))
    }

    async fn update_endpoint(
        &self,
        request: Request<pb::UpdateEndpointRequest>,
    ) -> Result<Response<pb::UpdateEndpointResponse>, Status> {
        let caller = caller(&request)?;
        let (id, change) = parse::endpoint_change(request.into_inner()).map_err(status)?;
        let endpoint = self.webhooks.update_endpoint(&caller, &id, change).await.map_err(status)?;
        Ok(Response::new(pb::UpdateEndpointResponse { endpoint: Some(message::endpoint(&endpoint)) }))
    }

    async fn delete_endpoint(
        &self,
        request: Request<pb::DeleteEndpointRequest>,
    ) -> Result<Response<pb::DeleteEndpointResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::endpoint_id("endpoint_id", &request.into_inner().endpoint_id).map_err(status)?;
        self.webhooks.delete_endpoint(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::DeleteEndpointResponse {}))
    }

    async fn rotate_secret(
        &self,
        request: Request<pb::RotateSecretRequest>,
    ) -> Result<Response<pb::RotateSecretResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::endpoint_id("endpoint_id", &request.into_inner().endpoint_id).map_err(status)?;
        let secret = self.webhooks.rotate_secret(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::RotateSecretResponse { secret: secret.expose_secret().to_owned() }))
    }

    async fn ping_endpoint(
        &self,
        request: Request<pb::PingEndpointRequest>,
    ) -> Result<Response<pb::PingEndpointResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::endpoint_id("endpoint_id", &request.into_inner().endpoint_id).map_err(status)?;
        let delivery = self.webhooks.ping(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::PingEndpointResponse { delivery_id: delivery.to_string() }))
    }

    async fn pause_endpoint(
        &self,
        request: Request<pb::PauseEndpointRequest>,
    ) -> Result<Response<pb::PauseEndpointResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::endpoint_id("endpoint_id", &request.into_inner().endpoint_id).map_err(status)?;
        let endpoint = self.webhooks.pause(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::PauseEndpointResponse { endpoint: Some(message::endpoint(&endpoint)) }))
    }

    async fn get_endpoint_health(
        &self,
        request: Request<pb::GetEndpointHealthRequest>,
    ) -> Result<Response<pb::GetEndpointHealthResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::endpoint_id("endpoint_id", &request.into_inner().endpoint_id).map_err(status)?;
        let health = self.webhooks.health(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::GetEndpointHealthResponse { health: Some(message::health(&health)) }))
    }

    async fn resume_endpoint(
        &self,
        request: Request<pb::ResumeEndpointRequest>,
    ) -> Result<Response<pb::ResumeEndpointResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let id = parse::endpoint_id("endpoint_id", &request.endpoint_id).map_err(status)?;
        let rate = parse::drain_rate(request.drain_per_second).map_err(status)?;
        let endpoint = self.webhooks.resume(&caller, &id, rate).await.map_err(status)?;
        Ok(Response::new(pb::ResumeEndpointResponse { endpoint: Some(message::endpoint(&endpoint)) }))
    }
}

#[tonic::async_trait]
impl<S: DeliveryStore> pb::delivery_service_server::DeliveryService for WebhookGrpc<S> {
    async fn list_deliveries(
        &self,
        request: Request<pb::ListDeliveriesRequest>,
    ) -> Result<Response<pb::ListDeliveriesResponse>, Status> {
        let request = request.into_inner();
        let size = size(request.page_size)?;
        let identity = parse::deliveries_identity(&request);
        let query = parse::delivery_query(&request, &identity).map_err(status)?;
        let query = DeliveryQuery { limit: size + 1, ..query };
        let found = self.webhooks.store.deliveries(&query).await.map_err(status)?;
        let page = &found[..found.len().min(size)];
        let last = page.last().filter(|_| found.len() > size);
        let next_page_token = last.map(|last| parse::delivery_token(&identity, last)).unwrap_or_default();
        let deliveries = page.iter().map(|delivery| message::delivery(delivery, &[])).collect();
        Ok(Response::new(pb::ListDeliveriesResponse { deliveries, next_page_token }))
    }

    async fn get_delivery(
        &self,
        request: Request<pb::GetDeliveryRequest>,
    ) -> Result<Response<pb::GetDeliveryResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::delivery_id(&request.into_inner().delivery_id).map_err(status)?;
        let (delivery, attempts) = self.webhooks.delivery(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::GetDeliveryResponse { delivery: Some(message::delivery(&delivery, &attempts)) }))
    }

    async fn redeliver(
        &self,
        request: Request<pb::RedeliverRequest>,
    ) -> Result<Response<pb::RedeliverResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::delivery_id(&request.into_inner().delivery_id).map_err(status)?;
        let delivery = self.webhooks.redeliver(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::RedeliverResponse { delivery: Some(message::delivery(&delivery, &[])) }))
    }
}

#[tonic::async_trait]
impl<S: DeliveryStore> pb::event_service_server::EventService for WebhookGrpc<S> {
    async fn list_events(
        &self,
        request: Request<pb::ListEventsRequest>,
    ) -> Result<Response<pb::ListEventsResponse>, Status> {
        let request = request.into_inner();
        let size = size(request.page_size)?;
        let tenant = parse::tenant(&request.tenant_id).map_err(status)?;
        let types = parse::patterns("types", &request.types).map_err(status)?;
        let identity = [b"events ", tenant.as_bytes()].concat();
        let after = parse::log_cursor(&identity, &request.page_token).map_err(status)?;
        let page = self.webhooks.log(&tenant, &types, after, size).await.map_err(status)?;
        Ok(Response::new(pb::ListEventsResponse {
            events: page.events.iter().map(message::event).collect(),
            next_page_token: parse::log_token(&identity, page.next),
            has_more: page.has_more,
        }))
    }
}
