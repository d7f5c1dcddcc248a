//! A receiver of webhooks that remembers what came.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use tokio::net::TcpListener;

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The id of the event in the body.
    pub fn event_id(&self) -> String {
        self.json()["id"].as_str().unwrap().to_owned()
    }
}

/// What the sink answers to the n-th request, counted from 0.
type Answer = Arc<dyn Fn(usize, &Received) -> StatusCode + Send + Sync>;

/// A receiver on a port of its own.
#[derive(Clone)]
pub struct Sink {
    received: Arc<Mutex<Vec<Received>>>,
    answer: Answer,
    pub url: String,
}

impl Sink {
    /// A receiver that takes everything.
    pub async fn start() -> Self {
        Self::answering(|_, _| StatusCode::NO_CONTENT).await
    }

    /// A receiver that answers as told.
    pub async fn answering(answer: impl Fn(usize, &Received) -> StatusCode + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let this = Self { received: Arc::default(), answer: Arc::new(answer), url };
        let router = Router::new().route("/hook", post(take)).with_state(this.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        this
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Waits until so many requests came.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        super::eventually(&format!("{count} webhooks"), async || {
            let received = self.received();
            (received.len() >= count).then_some(received)
        })
        .await
    }
}

async fn take(State(sink): State<Sink>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let received = Received { headers, body };
    let mut all = sink.received.lock().unwrap();
    let status = (sink.answer)(all.len(), &received);
    all.push(received);
    status
}
