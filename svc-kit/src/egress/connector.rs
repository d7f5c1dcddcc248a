//! Makes connections: resolves, checks, connects to what was checked, and speaks TLS where the address says so.

use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};
use tokio_util::either::Either;
use tower::Service;

use super::{
    failure::Failure,
    policy::{EgressPolicy, Refused},
    resolver::{Resolve, addresses},
    stopwatch::Stopwatch,
    stream::Stream,
    timing::Phase,
};

/// For all that comes before the request: name, connection, TLS. What takes longer is too slow, in whichever of them.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes guarded connections.
#[derive(Clone)]
pub(super) struct Connector(Arc<Inner>);

struct Inner {
    resolver: Arc<dyn Resolve>,
    egress: EgressPolicy,
    tls: TlsConnector,
}

impl Connector {
    pub(super) fn new(resolver: Arc<dyn Resolve>, egress: EgressPolicy, tls: Arc<ClientConfig>) -> Self {
        Self(Arc::new(Inner { resolver, egress, tls: tls.into() }))
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (this, stopwatch) = (self.0.clone(), Stopwatch::current());
        Box::pin(async move {
            let connected = timeout(CONNECT_TIMEOUT, this.connect(&uri, &stopwatch)).await;
            let connected = connected.unwrap_or_else(|_| Err(Failure::too_slow(CONNECT_TIMEOUT)))?;
            // What follows is the request and the wait for its answer.
            stopwatch.begin(Phase::FirstByte);
            Ok(Stream::new(connected, stopwatch.made_for()))
        })
    }
}

impl Inner {
    async fn connect(
        &self,
        uri: &Uri,
        stopwatch: &Stopwatch,
    ) -> Result<Either<TcpStream, tokio_rustls::client::TlsStream<TcpStream>>, Failure> {
        let (host, is_tls) = (uri.host().unwrap_or_default(), uri.scheme_str() == Some("https"));
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        stopwatch.begin(Phase::Dns);
        let addresses = addresses(&*self.resolver, &self.egress, host).await?;
        stopwatch.begin(Phase::Connect);
        let stream = first_of(&addresses, port).await.map_err(|error| Failure::no_connection(&error))?;
        if !is_tls {
            return Ok(Either::Left(stream));
        }
        stopwatch.begin(Phase::Tls);
        let name = server_name(host).ok_or_else(|| Failure::refused(Refused::Malformed))?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| Failure::no_tls(&error))?;
        Ok(Either::Right(stream))
    }
}

/// Connects to the first address that answers; each has its share of the time, the last one what is left.
async fn first_of(addresses: &[IpAddr], port: u16) -> std::io::Result<TcpStream> {
    let share = CONNECT_TIMEOUT / u32::try_from(addresses.len()).unwrap_or(1).max(1);
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for (address, left) in addresses.iter().zip((0..addresses.len()).rev()) {
        let attempt = TcpStream::connect(SocketAddr::from((*address, port)));
        // The time of all is bounded by the caller: a clock of the last one's own would only race with that.
        let connected = if left == 0 { Ok(attempt.await) } else { timeout(share, attempt).await };
        match connected {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = std::io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

/// The name that the certificate must have: without the dot that ends a full name, which no certificate has.
fn server_name(host: &str) -> Option<ServerName<'static>> {
    let name = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_owned();
    ServerName::try_from(name).ok()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpSocket;

    use super::*;
    use crate::egress::{Cause, EgressClient, Network, Phase};

    /// A port whose queue of connections is full: the next one is not answered.
    async fn silent() -> (u16, Vec<Box<dyn std::any::Any>>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut held: Vec<Box<dyn std::any::Any>> = vec![Box::new(listener)];
        while let Ok(stream) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            held.push(Box::new(stream.unwrap()));
        }
        (address.port(), held)
    }

    #[tokio::test]
    async fn a_connection_that_does_not_stand_in_time_is_too_slow() {
        let (port, _held) = silent().await;
        tokio::time::pause();
        let policy = EgressPolicy {
            allow_http: true,
            allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
            ..EgressPolicy::default()
        };
        let client = EgressClient::new(policy, Network::system()).unwrap();
        let stopwatch = Stopwatch::default();
        let url = format!("http://127.0.0.1:{port}/");
        let sent = client.send(&url, &stopwatch, |uri| http::Request::post(uri).body(Default::default())).await;
        assert_eq!(sent.unwrap_err(), Failure::too_slow(CONNECT_TIMEOUT));
        assert_eq!(stopwatch.stop().1, Some(Phase::Connect));
        assert_eq!(Failure::too_slow(CONNECT_TIMEOUT).cause, Cause::Timeout);
    }
}
