//! Receivers of webhooks, on a thread of their own: those that take everything, and a black hole.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    routing::{any, post},
};
use svc_kit::clock::{Clock as _, SystemClock, Timestamp};
use tokio::net::TcpListener;

use crate::failure::Failure;

/// How long one that lingers takes: about what a receiver in the same region does.
const LINGER: Duration = Duration::from_millis(20);
/// How often the count is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How long requests may take to come.
const COME_WITHIN: Duration = Duration::from_secs(180);

#[derive(Clone, Default)]
struct Seen {
    count: Arc<AtomicUsize>,
    /// Milliseconds from what happened to its arrival here.
    delays: Arc<Mutex<Vec<f64>>>,
}

/// Running receivers.
pub struct Receivers {
    addr: SocketAddr,
    seen: Seen,
}

impl Receivers {
    /// Starts them.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn start() -> Result<Self, Failure> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let (addr, seen) = (listener.local_addr()?, Seen::default());
        let router = Router::new()
            .route("/count", post(count))
            .route("/linger", post(linger))
            .route("/time", post(time))
            .route("/never", any(std::future::pending::<StatusCode>))
            .with_state(seen.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                let _ = axum::serve(listener, router).await;
            });
        });
        Ok(Self { addr, seen })
    }

    /// The address of one that `does` something: `count`, `linger` (counts, and answers after 20 ms), `time` (counts,
    /// and notes the delay) or `never`.
    pub fn url(&self, does: &str) -> String {
        format!("http://{}/{does}", self.addr)
    }

    /// Requests that came.
    pub fn count(&self) -> usize {
        self.seen.count.load(Ordering::Relaxed)
    }

    /// Waits until so many came.
    ///
    /// # Errors
    /// [`Failure::Unexpected`] when they do not.
    pub async fn wait_for(&self, count: usize) -> Result<(), Failure> {
        let come = async {
            while self.count() < count {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let late = |_| Failure::Unexpected(format!("{} of {count} requests came", self.count()));
        tokio::time::timeout(COME_WITHIN, come).await.map_err(late)
    }

    /// Takes the delays noted so far, sorted.
    pub fn delays(&self) -> Vec<f64> {
        let mut delays =
            std::mem::take(&mut *self.seen.delays.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        delays.sort_by(f64::total_cmp);
        delays
    }
}

async fn count(State(seen): State<Seen>) -> StatusCode {
    seen.count.fetch_add(1, Ordering::Relaxed);
    StatusCode::NO_CONTENT
}

async fn linger(State(seen): State<Seen>) -> StatusCode {
    tokio::time::sleep(LINGER).await;
    seen.count.fetch_add(1, Ordering::Relaxed);
    StatusCode::NO_CONTENT
}

async fn time(State(seen): State<Seen>, body: Bytes) -> StatusCode {
    let happened_at = serde_json::from_slice::<serde_json::Value>(&body).ok();
    let happened_at = happened_at.and_then(|body| body["timestamp"].as_str().and_then(moment));
    if let Some(at) = happened_at {
        let delay = SystemClock.now().as_ms() - at.as_ms();
        seen.delays.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(delay as f64);
    }
    seen.count.fetch_add(1, Ordering::Relaxed);
    StatusCode::NO_CONTENT
}

/// Reads a time of RFC 3339.
fn moment(text: &str) -> Option<Timestamp> {
    let format = &time::format_description::well_known::Rfc3339;
    Some(Timestamp::from_offset(time::OffsetDateTime::parse(text, format).ok()?))
}
