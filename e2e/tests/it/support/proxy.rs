//! A proxy between two servers that can hold what goes through it, and cut every connection.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{broadcast, watch},
};

/// A running proxy.
#[derive(Clone)]
pub struct Proxy {
    pub addr: SocketAddr,
    target: Arc<Mutex<String>>,
    /// Whether what the clients say is passed on.
    is_passing: Arc<watch::Sender<bool>>,
    cuts: broadcast::Sender<()>,
    held: Arc<AtomicUsize>,
}

impl Proxy {
    /// Starts one in front of `target`, host and port.
    pub async fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            addr: listener.local_addr().unwrap(),
            target: Arc::new(Mutex::new(target.to_owned())),
            is_passing: Arc::new(watch::Sender::new(true)),
            cuts: broadcast::Sender::new(1),
            held: Arc::default(),
        };
        let accepting = this.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (proxy, cut) = (accepting.clone(), accepting.cuts.subscribe());
                tokio::spawn(async move { proxy.carry(client, cut).await });
            }
        });
        this
    }

    /// Leads to another server from now on; who is connected stays where they are.
    pub fn lead_to(&self, target: &str) {
        target.clone_into(&mut self.target.lock().unwrap());
    }

    /// Holds what the clients say, or passes it on again.
    pub fn pass(&self, is_passing: bool) {
        self.is_passing.send_replace(is_passing);
    }

    /// How often something was held so far.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    /// Ends every connection; what is held is lost.
    pub fn cut(&self) {
        let _ = self.cuts.send(());
    }

    async fn carry(&self, client: TcpStream, mut cut: broadcast::Receiver<()>) {
        let target = self.target.lock().unwrap().clone();
        let Ok(server) = TcpStream::connect(target).await else { return };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::select! {
            () = self.copy(from_client, to_server, true) => {}
            () = self.copy(from_server, to_client, false) => {}
            _ = cut.recv() => {}
        }
    }

    async fn copy(&self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, is_held: bool) {
        let (mut buffer, mut is_passing) = (vec![0; 16 * 1024], self.is_passing.subscribe());
        loop {
            let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
            if is_held && !*is_passing.borrow() {
                self.held.fetch_add(1, Ordering::SeqCst);
                if is_passing.wait_for(|is_passing| *is_passing).await.is_err() {
                    return;
                }
            }
            if to.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    }
}
