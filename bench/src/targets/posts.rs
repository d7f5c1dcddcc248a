//! A bare loop of signed POSTs: the client and the signature of webhook-svc, and nothing that is kept.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use svc_kit::{
    clock::{Clock as _, SystemClock},
    egress::{EgressPolicy, Network},
    entropy::OsEntropy,
    telemetry::TraceContext,
};
use webhook_svc::{
    domain::{
        delivery::DeliveryId,
        endpoint::EndpointId,
        signature::{Signer, SigningSecret},
    },
    http::HttpSender,
    ports::{Content, Sender as _, Shipment},
};

use super::webhook;
use crate::failure::Failure;

/// Sends to one receiver.
pub struct Posts {
    sender: Arc<HttpSender>,
    secret: SigningSecret,
    endpoint: EndpointId,
    url: String,
}

impl Posts {
    /// Makes one.
    ///
    /// # Errors
    /// [`Failure::Boot`].
    pub fn to(url: String) -> Result<Self, Failure> {
        let loopback = "127.0.0.0/8".parse().map_err(|_| Failure::Unexpected("there is no such network".into()))?;
        let policy = EgressPolicy { allow_http: true, allow_networks: vec![loopback], allow_ports: Vec::new() };
        let sender = Arc::new(HttpSender::new(policy, Network::system())?);
        let secret = SigningSecret::generate(&OsEntropy);
        Ok(Self { sender, secret, endpoint: EndpointId::generate(&OsEntropy), url })
    }

    /// Sends so many, so many of them at once, each as a task like the attempts of the engine.
    ///
    /// # Errors
    /// [`Failure::Unexpected`] when one is not taken.
    pub async fn send(&self, count: usize, at_once: usize) -> Result<(), Failure> {
        let sent = stream::iter(0..count).map(|number| {
            let (sender, shipment) = (self.sender.clone(), self.shipment(number));
            tokio::spawn(async move { sender.send(&shipment).await.verdict })
        });
        let all_taken = sent.buffer_unordered(at_once).all(async |sent| sent.is_ok_and(|verdict| verdict.is_success()));
        if all_taken.await { Ok(()) } else { Err(Failure::Unexpected("a POST was not taken".into())) }
    }

    fn shipment(&self, number: usize) -> Shipment {
        let content = Content::Webhook {
            id: DeliveryId::of(&self.endpoint, &number.to_string()),
            signers: vec![Signer::Secret(self.secret.clone())],
            headers: Vec::new(),
            payload: webhook::body(),
        };
        Shipment { url: self.url.clone(), at: SystemClock.now(), content, trace: TraceContext::root() }
    }
}
