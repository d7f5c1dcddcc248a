//! What happens around every call: trace, metrics, a bound on arrivals, deadline, panic guard.

use std::{
    convert::Infallible,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::FutureExt as _;
use http::{HeaderMap, Request, Response};
use opentelemetry::{KeyValue, metrics::Histogram};
use tokio::{sync::Semaphore, time::Instant};
use tonic::{Code, Status, body::Body, transport::server::TcpConnectInfo};
use tower::{Layer, Service};
use tracing::Instrument as _;

use crate::{
    error::{Kind, ServiceError, to_status},
    origin::with_origin,
    telemetry::{TraceContext, metrics, with_context},
};

/// Why the server itself refuses a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// Too many calls are in work.
    #[error("too many calls are in work; try again shortly")]
    Overloaded,
    /// The tenant has its share of them.
    #[error("too many calls of this tenant are in work; try again shortly")]
    ShareExceeded,
    /// The deadline passed.
    #[error("the deadline passed")]
    DeadlineExceeded,
    /// The handler panicked.
    #[error("a handler panicked")]
    Panicked,
    /// The message is not one of the RPC's.
    #[error("the message cannot be read")]
    Malformed,
    /// The message is larger than a server accepts.
    #[error("the message is too large")]
    TooLarge,
}

impl ServiceError for ServerError {
    fn kind(&self) -> Kind {
        match self {
            Self::Overloaded | Self::ShareExceeded | Self::TooLarge => Kind::ResourceExhausted,
            Self::DeadlineExceeded => Kind::DeadlineExceeded,
            Self::Panicked => Kind::Internal,
            Self::Malformed => Kind::InvalidArgument,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Overloaded => "OVERLOADED",
            Self::ShareExceeded => "SHARE_EXCEEDED",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Panicked => "INTERNAL",
            Self::Malformed => "MESSAGE_MALFORMED",
            Self::TooLarge => "MESSAGE_TOO_LARGE",
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::Overloaded | Self::ShareExceeded).then_some(Duration::from_millis(100))
    }
}

/// Wraps every call; see the module.
#[derive(Clone)]
pub struct CallLayer {
    deadline: Duration,
    places: Arc<Semaphore>,
    duration: Histogram<f64>,
}

impl CallLayer {
    /// Makes a layer: `deadline` is the longest a call may take, `arrivals_max` how many may be here, let in or not.
    pub fn new(deadline: Duration, arrivals_max: usize) -> Self {
        let boundaries = vec![0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5];
        let meter = metrics::meter("grpc");
        let duration = meter.f64_histogram("rpc_server_duration").with_unit("s").with_boundaries(boundaries).build();
        Self { deadline, places: Arc::new(Semaphore::new(arrivals_max)), duration }
    }

    async fn run<F>(&self, headers_deadline: Option<Duration>, call: F) -> Response<Body>
    where
        F: Future<Output = Result<Response<Body>, Infallible>>,
    {
        let Ok(_place) = self.places.try_acquire() else { return to_status(&ServerError::Overloaded).into_http() };
        let deadline = headers_deadline.map_or(self.deadline, |wanted| wanted.min(self.deadline));
        match tokio::time::timeout(deadline, AssertUnwindSafe(call).catch_unwind()).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_panic)) => to_status(&ServerError::Panicked).into_http(),
            Err(_elapsed) => to_status(&ServerError::DeadlineExceeded).into_http(),
        }
    }

    fn record(&self, path: &str, response: &Response<Body>, started: Instant) {
        // A handler's error travels in the headers; what is not there went well.
        let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
        let method = if code == Code::Unimplemented { "unknown" } else { path };
        let labels =
            [KeyValue::new("rpc_method", method.to_owned()), KeyValue::new("rpc_code", i64::from(code as i32))];
        self.duration.record(started.elapsed().as_secs_f64(), &labels);
    }
}

/// Gives a reason to what the framework refuses before a handler sees it. Our own refusals carry details; its do not.
fn with_reason(response: Response<Body>) -> Response<Body> {
    let bare = Status::from_header_map(response.headers()).filter(|status| status.details().is_empty());
    match bare.map(|status| status.code()) {
        // The message does not decode: the caller's fault, whatever the framework calls it.
        Some(Code::Internal) => to_status(&ServerError::Malformed).into_http(),
        Some(Code::OutOfRange) => to_status(&ServerError::TooLarge).into_http(),
        _ => response,
    }
}

/// Reads `grpc-timeout`: up to eight digits and a unit.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok().filter(|_| number.len() <= 8)?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = CallService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CallService { inner, layer: self.clone() }
    }
}

/// A server whose calls are wrapped.
#[derive(Clone)]
pub struct CallService<S> {
    inner: S,
    layer: CallLayer,
}

impl<S> Service<Request<Body>> for CallService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let layer = self.layer.clone();
        Box::pin(async move {
            let started = Instant::now();
            let path = request.uri().path().to_owned();
            let trace = TraceContext::from_headers(request.headers()).unwrap_or_else(TraceContext::root);
            let span = tracing::info_span!("grpc.server.call", rpc.method = path, trace_id = trace.trace_id());
            trace.adopt(&span);
            let deadline = grpc_timeout(request.headers());
            let peer = request.extensions().get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr);
            let origin = peer.map(|peer| peer.ip().to_canonical());
            let call = with_context(trace, with_origin(origin, async move { inner.call(request).await }));
            let response = with_reason(layer.run(deadline, call.instrument(span)).await);
            layer.record(&path, &response, started);
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            grpc_timeout(&headers)
        };
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("2S"), Some(Duration::from_secs(2)));
        assert_eq!(read("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for text in ["", "S", "5", "5x", "-5S", "123456789S"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_the_framework_refuses_gets_a_reason() {
        let seen = |status: Status| {
            let status = Status::from_header_map(with_reason(status.into_http()).headers()).unwrap();
            (status.code(), crate::error::reason_of(&status).unwrap_or_default())
        };
        assert_eq!(seen(Status::internal("cannot decode")), (Code::InvalidArgument, "MESSAGE_MALFORMED".to_owned()));
        assert_eq!(seen(Status::out_of_range("5 MiB")), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned()));
        assert_eq!(seen(to_status(&ServerError::Panicked)), (Code::Internal, "INTERNAL".to_owned()));
        assert_eq!(seen(Status::not_found("no such service")), (Code::NotFound, String::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_bounded_in_time_number_and_harm() {
        let layer = CallLayer::new(Duration::from_secs(2), 1);
        let code = |response: Response<Body>| Status::from_header_map(response.headers()).unwrap().code();
        assert_eq!(code(layer.run(None, std::future::pending()).await), Code::DeadlineExceeded);
        assert_eq!(code(layer.run(None, async { panic!("boom") }).await), Code::Internal);
        let _place = layer.places.clone().try_acquire_owned().unwrap();
        assert_eq!(code(layer.run(None, async { Ok(Response::new(Body::empty())) }).await), Code::ResourceExhausted);
    }
}
