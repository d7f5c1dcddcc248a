//! A proxy in front of a Redis that counts round trips.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Counts how often the client speaks after the server has: for one caller at a time, its round trips.
#[derive(Clone)]
pub struct Proxy {
    pub address: SocketAddr,
    trips: Arc<AtomicUsize>,
}

impl Proxy {
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, trips) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counted = trips.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let waits = Arc::new(AtomicBool::new(false));
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                let (trips, asks) = (counted.clone(), waits.clone());
                tokio::spawn(carry(from_client, to_server, move || {
                    if !asks.swap(true, SeqCst) {
                        trips.fetch_add(1, SeqCst);
                    }
                }));
                tokio::spawn(carry(from_server, to_client, move || waits.store(false, SeqCst)));
            }
        });
        Self { address, trips }
    }

    /// Round trips since the last time.
    pub fn take(&self) -> usize {
        self.trips.swap(0, SeqCst)
    }
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, spoke: impl Fn()) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        spoke();
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
