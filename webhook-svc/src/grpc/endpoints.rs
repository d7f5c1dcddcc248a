//! `EndpointService`.

use proto::webhook::v1 as pb;
use secrecy::{ExposeSecret as _, SecretString};
use svc_kit::page;
use tonic::{Request, Response, Status};

use super::{WebhookGrpc, caller, message, parse, size, status};
use crate::{app::signing::Rotated, domain::endpoint::Endpoint, ports::DeliveryStore};

/// A new secret, for the one time that it is shown.
fn revealed(secret: Option<SecretString>) -> String {
    secret.map(|secret| secret.expose_secret().to_owned()).unwrap_or_default()
}

impl<S: DeliveryStore> WebhookGrpc<S> {
    /// An endpoint as it is now.
    fn endpoint(&self, endpoint: &Endpoint) -> pb::Endpoint {
        message::endpoint(endpoint, self.webhooks.clock.now())
    }
}

#[tonic::async_trait]
impl<S: DeliveryStore> pb::endpoint_service_server::EndpointService for WebhookGrpc<S> {
    async fn create_endpoint(
        &self,
        request: Request<pb::CreateEndpointRequest>,
    ) -> Result<Response<pb::CreateEndpointResponse>, Status> {
        let new = parse::new_endpoint(request.into_inner()).map_err(status)?;
        let (endpoint, secret) = self.webhooks.create_endpoint(new).await.map_err(status)?;
        let endpoint = Some(self.endpoint(&endpoint));
        Ok(Response::new(pb::CreateEndpointResponse { endpoint, secret: revealed(secret) }))
    }

    async fn get_endpoint(
        &self,
        request: Request<pb::GetEndpointRequest>,
    ) -> Result<Response<pb::GetEndpointResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::endpoint_id("endpoint_id", &request.into_inner().endpoint_id).map_err(status)?;
        let endpoint = self.webhooks.endpoint(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::GetEndpointResponse { endpoint: Some(self.endpoint(&endpoint)) }))
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
        let endpoints = page.iter().map(|endpoint| self.endpoint(endpoint)).collect();
        Ok(Response::new(pb::ListEndpointsResponse { endpoints, next_page_token }))
    }

    async fn update_endpoint(
        &self,
        request: Request<pb::UpdateEndpointRequest>,
    ) -> Result<Response<pb::UpdateEndpointResponse>, Status> {
        let caller = caller(&request)?;
        let (id, change) = parse::endpoint_change(request.into_inner()).map_err(status)?;
        let (endpoint, secret) = self.webhooks.update_endpoint(&caller, &id, change).await.map_err(status)?;
        let endpoint = Some(self.endpoint(&endpoint));
        Ok(Response::new(pb::UpdateEndpointResponse { endpoint, secret: revealed(secret) }))
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
        let request = request.into_inner();
        let id = parse::endpoint_id("endpoint_id", &request.endpoint_id).map_err(status)?;
        let overlap = parse::overlap(request.overlap.as_ref()).map_err(status)?;
        let Rotated { endpoint, secret } = self.webhooks.rotate_secret(&caller, &id, overlap).await.map_err(status)?;
        let endpoint = Some(self.endpoint(&endpoint));
        Ok(Response::new(pb::RotateSecretResponse { secret: revealed(secret), endpoint }))
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
        Ok(Response::new(pb::PauseEndpointResponse { endpoint: Some(self.endpoint(&endpoint)) }))
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
        let rate = parse::drain_rate("drain_per_second", request.drain_per_second).map_err(status)?;
        let endpoint = self.webhooks.resume(&caller, &id, rate).await.map_err(status)?;
        Ok(Response::new(pb::ResumeEndpointResponse { endpoint: Some(self.endpoint(&endpoint)) }))
    }
}
