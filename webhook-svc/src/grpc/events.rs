//! `EventService`.

use std::future::ready;

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use proto::webhook::v1 as pb;
use svc_kit::page;
use tonic::{Request, Response, Status};

use super::{WebhookGrpc, message, parse, size, status};
use crate::{
    app::catalogue::{Entry, entries},
    error::WebhookError,
    ports::LogStore,
};

#[tonic::async_trait]
impl<S: LogStore> pb::event_service_server::EventService for WebhookGrpc<S> {
    async fn list_events(
        &self,
        request: Request<pb::ListEventsRequest>,
    ) -> Result<Response<pb::ListEventsResponse>, Status> {
        let request = request.into_inner();
        let size = size(request.page_size)?;
        let tenant = parse::tenant(&request.tenant_id).map_err(status)?;
        let types = parse::patterns("types", &request.types).map_err(status)?;
        let identity = parse::log_identity(&tenant);
        let after = parse::log_cursor(&identity, &request.page_token).map_err(status)?;
        let page = self.webhooks.log(&tenant, &types, after, size).await.map_err(status)?;
        Ok(Response::new(pb::ListEventsResponse {
            events: page.events.iter().map(message::event).collect(),
            next_page_token: parse::log_token(&identity, page.next),
            has_more: page.has_more,
        }))
    }

    async fn list_event_types(
        &self,
        request: Request<pb::ListEventTypesRequest>,
    ) -> Result<Response<pb::ListEventTypesResponse>, Status> {
        let request = request.into_inner();
        let size = size(request.page_size)?;
        let tenant = parse::tenant(&request.tenant_id).map_err(status)?;
        let types = parse::patterns("types", &request.types).map_err(status)?;
        let identity = format!("event types {tenant} {:?}", request.types).into_bytes();
        let after = parse::name_cursor(&identity, &request.page_token).map_err(status)?;
        let mut found: Vec<Entry> = entries(&types, &after).take(size + 1).collect();
        let has_more = found.len() > size;
        found.truncate(size);
        let last = found.last().filter(|_| has_more);
        let next_page_token = last.map(|last| page::encode(&identity, last.name.as_bytes())).unwrap_or_default();
        let event_types = found.iter().map(message::event_type).collect();
        Ok(Response::new(pb::ListEventTypesResponse { event_types, next_page_token }))
    }

    type WatchEventsStream = BoxStream<'static, Result<pb::WatchEventsResponse, Status>>;

    async fn watch_events(
        &self,
        request: Request<pb::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let request = request.into_inner();
        let identity = parse::log_identity(&request.tenant_id);
        let options = parse::watch_options(&identity, request).map_err(status)?;
        let watch = self.webhooks.clone().watch(options).await.map_err(status)?;
        let seen = stream::try_unfold((watch, identity), |(mut watch, identity)| async move {
            let Some(seen) = watch.next().await.map_err(status)? else { return Ok(None) };
            let event = seen.event.as_ref().map(message::event);
            let answer = pb::WatchEventsResponse { event, page_token: parse::log_token(&identity, seen.place) };
            Ok(Some((answer, (watch, identity))))
        });
        let soft = self.lifecycle.soft().clone();
        let stopped = stream::once(async { Err(status(WebhookError::Stopping)) });
        let stops = async move { soft.cancelled().await };
        // Whoever is cut off by a stop learns it; a stream that is over ends without an error.
        let is_stopping = self.lifecycle.clone();
        let last = stopped.take_while(move |_| ready(is_stopping.is_draining()));
        Ok(Response::new(seen.take_until(Box::pin(stops)).chain(last).boxed()))
    }
}
