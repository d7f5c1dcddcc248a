//! Receivers whose certificates are not to be trusted.

use std::sync::Arc;

use svc_kit::egress::Network;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::{
    certificates::{Authority, self_signed},
    names::Names,
    tried, verdict,
};
use crate::{
    rpc::create,
    support::stack::{StackBuilder, session_revoked},
};

const NAME: &str = "receiver.test";

/// A receiver that takes everything, if one speaks TLS with it; returns its port.
async fn serve(config: Arc<ServerConfig>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(config);
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 16 * 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

/// Somebody who speaks first, and not TLS; returns the port.
async fn serve_plain() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
            let _ = stream.read(&mut [0; 1024]).await;
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_certificate_is_refused_for_what_is_wrong_with_it() {
    let (authority, names) = (Authority::new("trusted"), Names::default());
    names.lead(NAME, &[&["127.0.0.1"]]);
    let cases = [
        (serve(self_signed(NAME)).await, "UnknownIssuer"),
        (serve(Authority::new("stranger").server(NAME, false)).await, "UnknownIssuer"),
        (serve(authority.server("other.test", false)).await, "not valid for name"),
        (serve(authority.server(NAME, true)).await, "expired"),
        (serve_plain().await, ""),
    ];
    let good = serve(authority.server(NAME, false)).await;
    let network = Network { extra_roots: vec![authority.root()], ..names.network() };
    let stack = StackBuilder::memory().on(network).start().await;
    let mut endpoints = Vec::new();
    for port in cases.iter().map(|(port, _)| *port).chain([good]) {
        endpoints.push(create(&stack, &format!("https://{NAME}:{port}/hook")).await.0.id);
    }
    stack.publish(&[session_revoked("acme", "e1", "sess_1")]).await;
    for ((_, detail), endpoint) in cases.iter().zip(&endpoints) {
        let attempt = tried(&stack, endpoint, "e1", 1).await.attempts.remove(0);
        assert_eq!(verdict(&attempt), ("TLS", 0, "TLS"), "{attempt:?}");
        assert!(attempt.detail.contains(detail) && attempt.first_byte_ms.is_none(), "{detail}: {attempt:?}");
    }
    let attempt = tried(&stack, &endpoints[cases.len()], "e1", 1).await.attempts.remove(0);
    assert_eq!(verdict(&attempt), ("OK", 200, ""), "{attempt:?}");
    assert!(attempt.tls_ms.is_some() && attempt.first_byte_ms.is_some(), "{attempt:?}");
    stack.stop().await;
}
