//! A receiver of webhooks: a real HTTP server that remembers what came and answers as told.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use proto::webhook::v1::CreateEndpointRequest;
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::{net::TcpListener, sync::watch};

use super::{DEFAULT_TENANT, Stack};

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    headers: HeaderMap,
    body: Bytes,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn event_id(&self) -> String {
        self.json()["id"].as_str().unwrap().to_owned()
    }

    pub fn event_type(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }
}

/// A running receiver.
#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
    is_answering: Arc<watch::Sender<bool>>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let this = Self { url, received: Arc::default(), is_answering: Arc::new(watch::Sender::new(true)) };
        let router = Router::new().route("/hook", post(take)).with_state(this.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        this
    }

    /// Starts one and makes it known. Returns the endpoint's secret too.
    pub async fn registered(stack: &Stack, event_types: &[&str]) -> (Self, String) {
        let receiver = Self::start().await;
        let endpoint = CreateEndpointRequest {
            tenant_id: DEFAULT_TENANT.to_owned(),
            url: receiver.url.clone(),
            event_types: event_types.iter().map(|name| (*name).to_owned()).collect(),
            ..CreateEndpointRequest::default()
        };
        let secret = stack.endpoints().create_endpoint(endpoint).await.unwrap().into_inner().secret;
        (receiver, secret)
    }

    /// Lets requests be answered, or leaves them waiting once they have come in.
    pub fn answer(&self, is_answering: bool) {
        self.is_answering.send_replace(is_answering);
    }

    /// Everything that came, in its order, repetitions included.
    pub fn all(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// What came about one session: each event once, at the place where it came first.
    pub fn of_session(&self, session_id: &str) -> Vec<Received> {
        let mut seen = std::collections::BTreeSet::new();
        let about = |received: &Received| received.json()["data"]["session"]["id"] == session_id;
        self.all().into_iter().filter(about).filter(|received| seen.insert(received.event_id())).collect()
    }

    /// How often each event came. A repetition has the same `webhook-id` and the same body.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut first: BTreeMap<String, (Received, usize)> = BTreeMap::new();
        for received in self.all() {
            let entry = first.entry(received.event_id()).or_insert_with(|| (received.clone(), 0));
            let same = |of: &Received| (of.header("webhook-id").to_owned(), of.body.clone());
            assert_eq!(same(&entry.0), same(&received), "one event has two contents");
            entry.1 += 1;
        }
        first.into_iter().map(|(id, (_, count))| (id, count)).collect()
    }

    /// Verifies every request with a verifier that is not ours.
    pub fn verify(&self, secret: &str) {
        let webhook = Webhook::new(secret).unwrap();
        for received in self.all() {
            webhook.verify(&received.body, &received.headers).unwrap();
        }
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    receiver.received.lock().unwrap().push(Received { headers, body });
    let mut is_answering = receiver.is_answering.subscribe();
    // The receiver lives as long as this request.
    let _ = is_answering.wait_for(|is_answering| *is_answering).await;
    StatusCode::NO_CONTENT
}
