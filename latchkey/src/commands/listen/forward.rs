//! Posts an event as a webhook.

use std::time::{Duration, Instant};

use proto::webhook::v1::LoggedEvent;
use svc_kit::{
    clock::{Clock as _, SystemClock},
    error::chain,
};
use webhook_svc::domain::signature::{Signer, SigningSecret, sign};

use crate::failure::Failure;

/// As long as webhook-svc waits.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(15);

/// Posts to one address.
pub(super) struct Forwarder {
    client: reqwest::Client,
    url: url::Url,
    signers: Vec<Signer>,
}

/// What came of it.
pub(super) struct Receipt {
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// Why there was none.
    pub error: Option<String>,
    duration: Duration,
}

impl Receipt {
    pub(super) fn duration_ms(&self) -> u64 {
        u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Forwarder {
    pub(super) fn new(url: url::Url, secrets: Vec<SigningSecret>) -> Result<Self, Failure> {
        if !["http", "https"].contains(&url.scheme()) {
            return Err(Failure::usage(format!("forward to {url}"), "it is neither http nor https"));
        }
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(EXCHANGE_TIMEOUT)
            .build()
            .map_err(|error| Failure::fault("make an HTTP client", error))?;
        Ok(Self { client, url, signers: secrets.into_iter().map(Signer::Secret).collect() })
    }

    pub(super) fn url(&self) -> &url::Url {
        &self.url
    }

    /// Posts an event once. The event's id is the `webhook-id`: sent again, it is the same.
    pub(super) async fn forward(&self, event: &LoggedEvent) -> Receipt {
        let (started, timestamp) = (Instant::now(), SystemClock.now().as_secs());
        let sent = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", &event.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", sign(&self.signers, &event.id, timestamp, event.payload.as_bytes()))
            .body(event.payload.clone())
            .send()
            .await;
        let (status, error) = match sent {
            Ok(response) => (Some(response.status().as_u16()), None),
            Err(error) => (None, Some(chain(&error.without_url()))),
        };
        Receipt { status, error, duration: started.elapsed() }
    }
}
