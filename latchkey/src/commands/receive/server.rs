//! The HTTP side of the receiver: takes posts at any path and hands them on.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use svc_kit::clock::{Clock as _, SystemClock};
use tokio::{
    net::TcpListener,
    sync::mpsc::{Receiver, Sender, channel},
};

use super::signature::{Refused, Signed, Verifier};

const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Most webhooks that wait to be printed; senders wait for room.
const WAITING_MAX: usize = 64;

/// One webhook as it came.
pub(super) struct Received {
    /// `webhook-id`.
    pub id: String,
    /// The body.
    pub body: Bytes,
    /// What the signature was worth; `None` when there was nothing to check it with.
    pub verdict: Option<Result<(), Refused>>,
}

#[derive(Clone)]
struct Receiving {
    verifiers: Arc<Vec<Verifier>>,
    received: Sender<Received>,
}

/// Serves until the process ends.
pub(super) fn serve(listener: TcpListener, verifiers: Vec<Verifier>) -> Receiver<Received> {
    let (sender, receiver) = channel(WAITING_MAX);
    let router = Router::new()
        .route("/", post(take))
        .route("/{*path}", post(take))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Receiving { verifiers: Arc::new(verifiers), received: sender });
    // Ends with the process; when it fails, its sender is dropped and the reader learns of it.
    tokio::spawn(async move { axum::serve(listener, router).await });
    receiver
}

async fn take(State(state): State<Receiving>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let id = text("webhook-id").to_owned();
    let signed =
        Signed { id: &id, timestamp: text("webhook-timestamp"), signatures: text("webhook-signature"), body: &body };
    let verdict = (!state.verifiers.is_empty()).then(|| signed.verify(&state.verifiers, SystemClock.now()));
    let status = match &verdict {
        None | Some(Ok(())) => StatusCode::NO_CONTENT,
        Some(Err(_)) => StatusCode::UNAUTHORIZED,
    };
    match state.received.send(Received { id, body, verdict }).await {
        Ok(()) => status,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
