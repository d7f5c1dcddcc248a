//! The yardstick of a call: a bare tonic server that gives back the text it gets, and nothing else.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::SocketAddr,
    process::ExitCode,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::uri::PathAndQuery;
use svc_kit::{
    lifecycle::Lifecycle,
    server::threads::{self, Incoming},
};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    body::Body,
    server::{Grpc, NamedService, UnaryService},
    transport::{Channel, Endpoint, Server},
};
use tonic_prost::ProstCodec;
use tower::Service;

use crate::{failure::Failure, load::Target, process};

/// Nobody stops the echo but by killing it.
const GRACE: Duration = Duration::ZERO;
const PATH: &str = "/latchkey.bench.Echo/Call";

/// What is sent and comes back: as long as a session token.
const TEXT: &str = "lkr_AQEAAAECAwQFBgcICQAAAAEAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0";

#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "latchkey.bench.Echo";
}

struct Call;

impl UnaryService<Text> for Call {
    type Response = Text;
    type Future = Ready<Result<Response<Text>, Status>>;

    fn call(&mut self, request: Request<Text>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move { Ok(Grpc::new(ProstCodec::<Text, Text>::default()).unary(Call, request).await) })
    }
}

/// Serves the echo as the whole of a process, on threads like session-svc.
pub fn serve(listen: SocketAddr) -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let served = runtime.block_on(async {
        let lifecycle = Lifecycle::new();
        let listener = TcpListener::bind(listen).await?;
        let serve = |incoming: Incoming| Server::builder().add_service(Echo).serve_with_incoming(incoming);
        threads::serve_on_threads(listener, threads::threads(0), serve, &lifecycle)?;
        lifecycle.wait(GRACE).await.map_err(|crash| Failure::Unexpected(crash.to_string()))
    });
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A running echo.
pub struct EchoTarget {
    /// The process.
    pub server: process::Server,
    endpoint: Endpoint,
}

impl EchoTarget {
    /// Starts one.
    ///
    /// # Errors
    /// [`Failure`] when it does not come up.
    pub async fn start() -> Result<Self, Failure> {
        let address = process::free_address();
        let mut command = process::myself()?;
        let mut server = process::Server::start("echo", command.args(["echo", &address.to_string()]))?;
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
        server.up(async || endpoint.connect().await.is_ok()).await?;
        Ok(Self { server, endpoint })
    }
}

impl Target for EchoTarget {
    type Connection = tonic::client::Grpc<Channel>;

    async fn connect(&self) -> Result<Self::Connection, Failure> {
        Ok(tonic::client::Grpc::new(self.endpoint.connect().await?))
    }

    async fn call(&self, connection: &mut Self::Connection, _slot: usize, _turn: usize) -> Result<(), Failure> {
        connection.ready().await?;
        let request = Request::new(Text { text: TEXT.to_owned() });
        let codec = ProstCodec::<Text, Text>::default();
        let answer = connection.unary(request, PathAndQuery::from_static(PATH), codec).await?;
        if answer.get_ref().text == TEXT {
            Ok(())
        } else {
            Err(Failure::Unexpected("the echo changed the text".into()))
        }
    }
}
