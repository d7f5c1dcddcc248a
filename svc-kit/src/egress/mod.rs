//! Requests to addresses that somebody else chose: receivers of webhooks, key sets of applications.
//!
//! Such an address may lead anywhere, so it is checked before each request, its name is resolved once, every address of it is
//! checked as well, and the connection is made to what was checked ([`EgressPolicy`]). Redirects are not followed. How much
//! of an answer is read, and how long all of it may take, is the caller's to bound.

mod connector;
mod failure;
mod policy;
mod resolver;
mod stopwatch;
mod stream;
mod timing;
mod tls;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};

use self::{connector::Connector, tls::tls_config};
pub use self::{
    failure::{Cause, Failure},
    policy::{EgressPolicy, Refused},
    resolver::{Resolve, SystemResolver},
    stopwatch::Stopwatch,
    timing::{Phase, Timing},
    tls::Certificate,
};
use crate::boot::BootError;

/// Most bytes that the head of a response may have.
const RESPONSE_HEAD_MAX: usize = 32 * 1024;
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

/// What a client finds its way with. Tests have names and certificates of their own.
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

/// An HTTP client that goes only where the rules allow.
pub struct EgressClient {
    client: Client<Connector, Full<Bytes>>,
    policy: EgressPolicy,
}

impl EgressClient {
    /// Makes a client.
    ///
    /// # Errors
    /// Fails when there are no certificates to trust.
    pub fn new(policy: EgressPolicy, network: Network) -> Result<Self, BootError> {
        let tls = tls_config(network.extra_roots).map_err(BootError::because("the HTTP client cannot be built"))?;
        let connector = Connector::new(network.resolver, policy.clone(), tls);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .http1_max_buf_size(RESPONSE_HEAD_MAX)
            .build(connector);
        Ok(Self { client, policy })
    }

    /// Sends the request that `make` makes for an address, and returns the answer with its body unread.
    ///
    /// # Errors
    /// [`Failure`], which says why there is no answer.
    pub async fn send(
        &self,
        url: &str,
        stopwatch: &Stopwatch,
        make: impl FnOnce(Uri) -> Result<Request<Full<Bytes>>, http::Error>,
    ) -> Result<Response<Incoming>, Failure> {
        // Checked each time: what was allowed when the address was given may not be any more.
        let url = self.policy.check_url(url).map_err(Failure::refused)?;
        let uri: Uri = url.as_str().parse().map_err(|_| Failure::refused(Refused::Malformed))?;
        let request = make(uri).map_err(Failure::ours)?;
        let sent = stopwatch.around(self.client.request(request)).await;
        let response = sent.map_err(|error| Failure::of(&error))?;
        stopwatch.answered(&response);
        Ok(response)
    }
}
