//! `DeliveryService`.

use proto::webhook::v1 as pb;
use svc_kit::clock::Timestamp;
use tonic::{Request, Response, Status};

use super::{WebhookGrpc, caller, message, parse, size, status};
use crate::ports::{DeliveryQuery, LogStore};

#[tonic::async_trait]
impl<S: LogStore> pb::delivery_service_server::DeliveryService for WebhookGrpc<S> {
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

    async fn replay_events(
        &self,
        request: Request<pb::ReplayEventsRequest>,
    ) -> Result<Response<pb::ReplayEventsResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let identity = parse::replay_identity(&request);
        let progress = parse::replay_progress(&identity, &request.page_token).map_err(status)?;
        let plan = parse::replay_plan(request).map_err(status)?;
        let part = self.webhooks.replay(&caller, &plan, progress).await.map_err(status)?;
        Ok(Response::new(pb::ReplayEventsResponse {
            event_count: message::number(part.events),
            delivery_count: message::number(part.deliveries),
            last_due_at: part.last_due_at.map(Timestamp::to_proto),
            next_page_token: part.next.map(|next| parse::replay_token(&identity, next)).unwrap_or_default(),
        }))
    }
}
