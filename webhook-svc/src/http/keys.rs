//! Publishes the keys that sign the requests to an endpoint, as a JSON Web Key Set, to whoever asks: that is what they are for.
//!
//! A set has two keys at most, the current one first, so that it needs no pages; an endpoint that has none has an empty set.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use svc_kit::{error::chain, lifecycle::Lifecycle};
use tokio::{net::TcpListener, sync::Semaphore};

use crate::{app::Webhooks, domain::endpoint::EndpointId, ports::DeliveryStore};

/// Most requests in work at once; more are told to come again.
const CONCURRENCY_MAX: usize = 64;
/// How long a set may be kept. What signed before a rotation signs too for longer, unless somebody says otherwise.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");
const SET: HeaderValue = HeaderValue::from_static("application/jwk-set+json");

struct Keys<S> {
    webhooks: Arc<Webhooks<S>>,
    places: Semaphore,
}

/// Serves until the service stops.
///
/// # Errors
/// Fails when the address cannot be bound.
pub async fn serve<S: DeliveryStore>(
    webhooks: Arc<Webhooks<S>>,
    address: SocketAddr,
    lifecycle: &Lifecycle,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let keys = Arc::new(Keys { webhooks, places: Semaphore::new(CONCURRENCY_MAX) });
    let router = Router::new().route("/endpoints/{id}/jwks", get(jwks::<S>)).with_state(keys);
    let soft = lifecycle.soft().clone();
    lifecycle.spawn("http", async move {
        axum::serve(listener, router).with_graceful_shutdown(soft.cancelled_owned()).await.unwrap_or_else(|error| {
            tracing::error!(error = chain(&error), "the HTTP server failed");
        });
        Ok::<_, Infallible>(())
    });
    Ok(bound)
}

async fn jwks<S: DeliveryStore>(State(keys): State<Arc<Keys<S>>>, Path(id): Path<String>) -> Response {
    let Ok(_place) = keys.places.try_acquire() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let Ok(id) = EndpointId::parse(&id) else { return StatusCode::NOT_FOUND.into_response() };
    match keys.webhooks.jwks(&id).await {
        Ok(Some(set)) => ([(header::CONTENT_TYPE, SET), (header::CACHE_CONTROL, CACHE)], Json(set)).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::warn!(error = chain(&error), "keys cannot be read now");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
