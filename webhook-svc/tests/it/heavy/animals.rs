//! Receivers that do not do what a receiver should.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A receiver that takes requests and then does as it likes.
#[derive(Clone)]
pub struct Animal {
    pub url: String,
    connections: Arc<AtomicUsize>,
    written: Arc<AtomicUsize>,
}

/// What an animal does once it has a request.
#[derive(Clone, Debug)]
pub enum Habit {
    /// Never answers.
    Silent,
    /// Answers, and then sends a byte a second.
    Drips,
    /// Answers, and never ends.
    Endless,
    /// Answers like this, and ends.
    Says(String),
    /// Answers with a status, and resets the connection within the body.
    Resets,
}

impl Animal {
    pub async fn start(habit: Habit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let this = Self { url, connections: Arc::default(), written: Arc::default() };
        let animal = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                animal.connections.fetch_add(1, Ordering::SeqCst);
                let (animal, habit) = (animal.clone(), habit.clone());
                tokio::spawn(async move { animal.live(habit, stream).await });
            }
        });
        this
    }

    /// A receiver that answers with this head and no body.
    pub async fn saying(head: &str) -> Self {
        Self::start(Habit::Says(format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"))).await
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Bytes of answers that were taken from it.
    pub fn written(&self) -> usize {
        self.written.load(Ordering::SeqCst)
    }

    async fn live(&self, habit: Habit, mut stream: TcpStream) {
        if take_request(&mut stream).await.is_none() {
            return;
        }
        let ended = match habit {
            Habit::Silent => std::future::pending().await,
            Habit::Drips => {
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
                self.repeat(stream, head, b"x", Duration::from_secs(1)).await
            }
            Habit::Endless => {
                let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
                self.repeat(stream, head, &[b'x'; 4096], Duration::ZERO).await
            }
            Habit::Says(text) => stream.write_all(text.as_bytes()).await,
            Habit::Resets => {
                stream.set_zero_linger().unwrap();
                let answer = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc").await;
                // What was written is sent before the connection is reset, once somebody has read it.
                tokio::time::sleep(Duration::from_millis(200)).await;
                answer
            }
        };
        // Whoever had enough closed the connection.
        drop(ended);
    }

    /// Writes a head, and then a part again and again, as long as it is taken.
    async fn repeat(&self, mut stream: TcpStream, head: &[u8], part: &[u8], every: Duration) -> std::io::Result<()> {
        stream.write_all(head).await?;
        loop {
            stream.write_all(part).await?;
            self.written.fetch_add(part.len(), Ordering::SeqCst);
            tokio::time::sleep(every).await;
        }
    }
}

/// Reads a request to its end.
async fn take_request(stream: &mut TcpStream) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let length = stream.read(&mut chunk).await.ok().filter(|length| *length > 0)?;
        read.extend_from_slice(&chunk[..length]);
        let text = String::from_utf8_lossy(&read).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let wanted = head.split("content-length: ").nth(1)?.lines().next()?.parse::<usize>().ok()?;
        if body.len() >= wanted {
            return Some(());
        }
    }
}
