//! Sends to receivers over HTTP, guarded: only where the egress rules allow, never further than asked. And the one thing that
//! receivers may read from us ([`keys`]).

pub mod keys;
mod response;

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use secrecy::ExposeSecret as _;
use svc_kit::{
    boot::BootError,
    egress::{Cause, EgressClient, EgressPolicy, Failure, Network, Stopwatch},
};

use self::response::Answer;
use crate::{
    domain::{delivery::Verdict, signature::sign},
    ports::{Content, Receipt, Sender, Shipment},
};

/// For the whole exchange, the response's body included.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(15);
const USER_AGENT: &str = concat!("latchkey-webhooks/", env!("CARGO_PKG_VERSION"));

/// Sends over HTTP.
pub struct HttpSender(EgressClient);

impl HttpSender {
    /// Makes a sender.
    ///
    /// # Errors
    /// Fails when there are no certificates to trust.
    pub fn new(egress: EgressPolicy, network: Network) -> Result<Self, BootError> {
        EgressClient::new(egress, network).map(Self)
    }

    async fn exchange(&self, shipment: &Shipment, stopwatch: &Stopwatch) -> Result<Answer, Failure> {
        let response = self.0.send(&shipment.url, stopwatch, |uri| request(uri, shipment)).await?;
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
            Err(Failure { cause, detail }) => {
                Receipt { failed_in: last, detail, ..Receipt::without_answer(verdict(cause)) }
            }
        };
        Receipt { duration: started.elapsed(), timing, ..receipt }
    }
}

fn verdict(cause: Cause) -> Verdict {
    match cause {
        Cause::Refused => Verdict::Refused,
        Cause::Dns => Verdict::Dns,
        Cause::Connect => Verdict::Connect,
        Cause::Tls => Verdict::Tls,
        Cause::Timeout => Verdict::Timeout,
        Cause::Broken => Verdict::Broken,
        Cause::Ours => Verdict::Ours,
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
