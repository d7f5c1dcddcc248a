//! gRPC clients: a channel that connects when needed, and an interceptor that carries credential and trace.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataKey, MetadataValue},
    service::Interceptor,
    transport::{Channel, Endpoint},
};

use crate::telemetry::TraceContext;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Makes a channel to `url` that connects on first use and reconnects by itself; calls end after `deadline`.
///
/// # Errors
/// Fails when `url` is not a URL.
pub fn channel(url: &str, deadline: Duration) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(url.to_owned())?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(deadline)
        .http2_keep_alive_interval(KEEPALIVE)
        .tcp_nodelay(true);
    Ok(endpoint.connect_lazy())
}

/// Puts the credential and the current trace on each call.
#[derive(Clone)]
pub struct Outgoing {
    credential: Option<MetadataValue<Ascii>>,
}

impl Outgoing {
    /// Makes an interceptor that presents `credential`; an empty one, or one that cannot be sent, presents nothing.
    pub fn new(credential: &SecretString) -> Self {
        let text = credential.expose_secret();
        let value = (!text.is_empty()).then(|| format!("Bearer {text}").parse::<MetadataValue<Ascii>>().ok());
        let credential = value.flatten().map(|mut value| {
            value.set_sensitive(true);
            value
        });
        Self { credential }
    }
}

impl Interceptor for Outgoing {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(credential) = &self.credential {
            request.metadata_mut().insert("authorization", credential.clone());
        }
        let trace = TraceContext::current();
        for (name, text) in [("traceparent", &trace.traceparent), ("tracestate", &trace.tracestate)] {
            if let Ok(value) = text.parse()
                && !text.is_empty()
            {
                request.metadata_mut().insert(MetadataKey::from_static(name), value);
            }
        }
        Ok(request)
    }
}
