//! An address that stays while the server behind it changes, and a line that is slow.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub struct Switch {
    pub address: SocketAddr,
    port: watch::Sender<u16>,
}

impl Switch {
    /// Begins to carry to `port`; what the server says comes `delay` late.
    pub async fn start(port: u16, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (port, behind) = watch::channel(port);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, behind.clone(), delay));
            }
        });
        Self { address, port }
    }

    /// Cuts everybody off and carries to another server from now on.
    pub fn turn_to(&self, port: u16) {
        self.port.send_replace(port);
    }
}

async fn carry(client: TcpStream, mut behind: watch::Receiver<u16>, delay: Duration) {
    let port = *behind.borrow_and_update();
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        () = copy(from_client, to_server, Duration::ZERO) => {}
        () = copy(from_server, to_client, delay) => {}
        _ = behind.changed() => {}
    }
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: Duration) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
