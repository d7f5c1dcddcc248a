//! A way to a server that can be cut, and mended.

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use url::Url;

/// A proxy; it stops with the runtime.
pub struct Proxy(watch::Sender<bool>);

impl Proxy {
    /// Makes a way to the server of `url`; returns the URL that leads over it.
    pub async fn before(url: &str) -> (Self, String) {
        let mut url = Url::parse(url).unwrap();
        let server = (url.host_str().unwrap().to_owned(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let (cut, is_cut) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (server, mut is_cut) = (server.clone(), is_cut.clone());
                tokio::spawn(async move {
                    let carry = async {
                        let mut server = TcpStream::connect(server).await.unwrap();
                        copy_bidirectional(&mut client, &mut server).await
                    };
                    tokio::select! {
                        biased;
                        _ = is_cut.wait_for(|is_cut| *is_cut) => {}
                        _ = carry => {}
                    }
                });
            }
        });
        (Self(cut), url.to_string())
    }

    /// Breaks every connection and takes no new one, or lets them pass again.
    pub fn cut(&self, is_cut: bool) {
        self.0.send_replace(is_cut);
    }
}
