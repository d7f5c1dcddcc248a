//! Sends to receivers over HTTP, guarded: only where the egress rules allow, never further than asked. And the one thing that
//! receivers may read from us ([`keys`]).

mod connector;
mod failure;
pub mod keys;
mod resolver;
mod response;
mod stopwatch;
mod stream;
mod tls;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use secrecy::ExposeSecret as _;
use svc_kit::boot::BootError;

pub use self::resolver::{Resolve, SystemResolver};
use self::{
    connector::Connector,
    failure::Failure,
    response::Answer,
    stopwatch::Stopwatch,
    tls::{Certificate, tls_config},
};
use crate::{
    domain::{
        delivery::Verdict,
        egress::{EgressPolicy, Refused},
        signature::sign,
    },
    ports::{Content, Receipt, Sender, Shipment},
};

/// For the whole exchange, the response's body included.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(15);
/// Most bytes that the head of a response may have.
const RESPONSE_HEAD_MAX: usize = 32 * 1024;
const IDLE_CONNECTION: Duration = Duration::from_secs(30);
const USER_AGENT: &str = concat!("latchkey-webhooks/", env!("CARGO_PKG_VERSION"));

/// What the sender finds its way with. Tests have names and certificates of their own.
pub struct Network {
    /// Finds the addresses of names.
    pub resolver: Arc<dyn Resolve>,
    /// Certificates (DER) that are trusted besides those of the system.
    pub extra_roots: Vec<Certificate>,
}

impl Network {
    /// The names and the certificates of the system.
    pub fn system() -> Self {
        Self { resolver: Arc::new(SystemResolver), extra_roots: Vec::new() }
    }
}

/// Sends over HTTP.
pub struct HttpSender {
    client: Client<Connector, Full<Bytes>>,
    egress: EgressPolicy,
}

impl HttpSender {
    /// Makes a sender.
    ///
    /// # Errors
    /// Fails when there are no certificates to trust.
    pub fn new(egress: EgressPolicy, network: Network) -> Result<Self, BootError> {
        let tls = tls_config(network.extra_roots).map_err(BootError::because("the HTTP client cannot be built"))?;
        let connector = Connector::new(network.resolver, egress.clone(), tls);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .http1_max_buf_size(RESPONSE_HEAD_MAX)
            .build(connector);
        Ok(Self { client, egress })
    }

    async fn exchange(&self, shipment: &Shipment, stopwatch: &Stopwatch) -> Result<Answer, Failure> {
        // Checked at each attempt: what was allowed when the endpoint was created may not be any more.
        let url = self.egress.check_url(&shipment.url).map_err(Failure::refused)?;
        let uri: Uri = url.as_str().parse().map_err(|_| Failure::refused(Refused::Malformed))?;
        let request = request(uri, shipment).map_err(Failure::ours)?;
        let sent = stopwatch.around(self.client.request(request)).await;
        let response = sent.map_err(|error| Failure::of(&error))?;
        stopwatch.answered(&response);
        Ok(Answer::read(response).await)
    }
}

impl Sender for HttpSender {
    async fn send(&self, shipment: &Shipment) -> Receipt {
        // Durations for people to read; nothing is decided by them.
        let (started, stopwatch) = (Instant::now(), Stopwatch::default());
        let exchange = tokio::time::timeout(EXCHANGE_TIMEOUT, self.exchange(shipment, &stopwatch));
        let came = exchange.await.unwrap_or_else(|_| Err(Failure::too_slow(EXCHANGE_TIMEOUT)));
        let (timing, last) = stopwatch.stop();
        let receipt = match came {
            Ok(Answer { status, retry_after, head, detail }) => {
                let receipt = Receipt::without_answer(Verdict::Status(status));
                Receipt { retry_after, response: head, detail, ..receipt }
            }
            Err(Failure { verdict, detail }) => Receipt { failed_in: last, detail, ..Receipt::without_answer(verdict) },
        };
        Receipt { duration: started.elapsed(), timing, ..receipt }
    }
}

/// The request with its body and what goes with that.
fn request(uri: Uri, shipment: &Shipment) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::builder().method(Method::POST).uri(uri).header(header::USER_AGENT, USER_AGENT);
    for (name, text) in [("traceparent", &shipment.trace.traceparent), ("tracestate", &shipment.trace.tracestate)] {
        if !text.is_empty() {
            request = request.header(name, text);
        }
    }
    match &shipment.content {
        Content::Webhook { id, signers, headers, payload } => {
            let (id, at) = (id.as_str(), shipment.at.as_secs());
            for (name, value) in headers {
                let mut value = HeaderValue::try_from(value.expose_secret())?;
                value.set_sensitive(true);
                request = request.header(name.as_str(), value);
            }
            request
                .header(header::CONTENT_TYPE, "application/json")
                .header("webhook-id", id)
                .header("webhook-timestamp", at)
                .header("webhook-signature", sign(signers, id, at, payload.as_bytes()))
                .body(payload.clone().into_bytes().into())
        }
        Content::LogoutToken(token) => {
            let form = [("logout_token", token.expose_secret())];
            let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            request.header(header::CONTENT_TYPE, form).body(body.into_bytes().into())
        }
    }
}
