//! Sends to receivers over HTTP, guarded: only where the egress rules allow, never further than asked.

mod resolver;

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{Client, RequestBuilder, Response, header::CONTENT_TYPE, redirect::Policy};
use secrecy::ExposeSecret as _;
use svc_kit::boot::BootError;

use crate::{
    domain::{delivery::Verdict, egress::EgressPolicy, signature::sign},
    ports::{Content, Receipt, Sender, Shipment},
};
use resolver::{GuardedResolver, NotAllowed};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For the whole exchange, the response's body included.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of a response that are read, and kept.
const RESPONSE_READ_MAX: usize = 16 * 1024;
const RESPONSE_KEPT_MAX: usize = 1024;
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

/// Sends over HTTP.
pub struct HttpSender {
    client: Client,
    egress: EgressPolicy,
}

impl HttpSender {
    /// Makes a sender.
    ///
    /// # Errors
    /// Fails when no HTTP client can be built.
    pub fn new(egress: EgressPolicy) -> Result<Self, BootError> {
        let client = Client::builder()
            .dns_resolver(Arc::new(GuardedResolver(egress.clone())))
            .redirect(Policy::none())
            // A proxy of the environment would go around the guard.
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_CONNECTION)
            .user_agent(concat!("latchkey-webhooks/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(BootError::because("the HTTP client cannot be built"))?;
        Ok(Self { client, egress })
    }

    async fn exchange(&self, shipment: &Shipment) -> (Verdict, Option<String>, String) {
        // Checked at each attempt: what was allowed when the endpoint was created may not be any more.
        let Ok(url) = self.egress.check_url(&shipment.url) else { return (Verdict::Refused, None, String::new()) };
        let mut request = filled(self.client.post(url), shipment);
        for (name, text) in [("traceparent", &shipment.trace.traceparent), ("tracestate", &shipment.trace.tracestate)] {
            if !text.is_empty() {
                request = request.header(name, text);
            }
        }
        match request.send().await {
            Ok(response) => {
                let asked = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
                let (asked, status) = (asked.map(str::to_owned), response.status().as_u16());
                // The status decides, even when the body never ends.
                (Verdict::Status(status), asked, head_of(response).await)
            }
            Err(error) => (verdict_of(&error), None, String::new()),
        }
    }
}

impl Sender for HttpSender {
    async fn send(&self, shipment: &Shipment) -> Receipt {
        // A duration for people to read; nothing is decided by it.
        let started = Instant::now();
        let exchange = tokio::time::timeout(EXCHANGE_TIMEOUT, self.exchange(shipment));
        let (verdict, retry_after, response) = exchange.await.unwrap_or((Verdict::Timeout, None, String::new()));
        Receipt { verdict, duration: started.elapsed(), retry_after, response }
    }
}

/// The request with its body and what goes with that.
fn filled(request: RequestBuilder, shipment: &Shipment) -> RequestBuilder {
    match &shipment.content {
        Content::Webhook { id, secrets, payload } => {
            let (id, at) = (id.as_str(), shipment.at.as_secs());
            request
                .header(CONTENT_TYPE, "application/json")
                .header("webhook-id", id)
                .header("webhook-timestamp", at)
                .header("webhook-signature", sign(secrets, id, at, payload.as_bytes()))
                .body(payload.clone())
        }
        Content::LogoutToken(token) => request.form(&[("logout_token", token.expose_secret())]),
    }
}

/// Reads the start of the body, as far as it comes; dropping the rest drops the connection.
async fn head_of(mut response: Response) -> String {
    let mut head = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        head.extend_from_slice(&chunk);
        if head.len() >= RESPONSE_READ_MAX {
            break;
        }
    }
    head.truncate(RESPONSE_KEPT_MAX);
    // NUL is the one character that a PostgreSQL text cannot hold.
    String::from_utf8_lossy(&head).replace('\0', "\u{fffd}")
}

fn verdict_of(error: &reqwest::Error) -> Verdict {
    if error.is_timeout() {
        return Verdict::Timeout;
    }
    if error.is_builder() {
        return Verdict::Ours;
    }
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = source {
        match cause.downcast_ref::<NotAllowed>() {
            Some(NotAllowed::Refused) => return Verdict::Refused,
            Some(NotAllowed::Unknown) => return Verdict::Dns,
            None => {}
        }
        if cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::InvalidData) {
            // rustls reports a refused handshake as invalid data.
            return Verdict::Tls;
        }
        source = cause.source();
    }
    if error.is_connect() { Verdict::Connect } else { Verdict::Broken }
}
