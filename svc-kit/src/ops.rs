//! The operations port: `/livez`, `/readyz`, `/metrics`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::{net::TcpListener, sync::watch};

use crate::{lifecycle::Lifecycle, telemetry::metrics};

/// Whether a service can serve: the conjunction of named conditions that its parts set.
#[derive(Clone, Debug)]
pub struct Readiness {
    conditions: Arc<Mutex<BTreeMap<&'static str, Result<(), String>>>>,
    ready: Arc<watch::Sender<bool>>,
    lifecycle: Lifecycle,
}

impl Readiness {
    /// Makes a readiness that waits for every one of `conditions` to be set.
    pub fn new(lifecycle: Lifecycle, conditions: &[&'static str]) -> Self {
        let conditions = conditions.iter().map(|name| (*name, Err("not yet".to_owned()))).collect();
        let this = Self {
            conditions: Arc::new(Mutex::new(conditions)),
            ready: Arc::new(watch::Sender::new(false)),
            lifecycle,
        };
        this.publish();
        this
    }

    /// Says whether the condition holds, and if not, why. Nothing secret: the text is shown to whoever asks.
    pub fn set(&self, condition: &'static str, state: Result<(), String>) {
        {
            let mut conditions = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
            let previous = conditions.insert(condition, state.clone());
            if previous.as_ref() == Some(&state) {
                return;
            }
        }
        match state {
            Ok(()) => tracing::info!(condition, "condition holds"),
            Err(reason) => tracing::warn!(condition, reason, "condition does not hold"),
        }
        self.publish();
    }

    fn publish(&self) {
        let ready = self.conditions.lock().unwrap_or_else(PoisonError::into_inner).values().all(Result::is_ok);
        self.ready.send_if_modified(|before| std::mem::replace(before, ready) != ready);
    }

    /// Says whether every condition holds and shutdown has not begun.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow() && !self.lifecycle.is_draining()
    }

    /// Returns a receiver of changes (without the part that shutdown plays).
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    fn report(&self) -> String {
        let mut text = String::new();
        for (name, state) in self.conditions.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = match state {
                Ok(()) => writeln!(text, "ok {name}"),
                Err(reason) => writeln!(text, "not ok {name}: {reason}"),
            };
        }
        if self.lifecycle.is_draining() {
            text.push_str("not ok draining\n");
        }
        text
    }
}

/// Serves the operations port until the hard stage of shutdown: a draining service still answers "not ready".
///
/// # Errors
/// Fails when the address cannot be bound.
pub async fn serve(address: SocketAddr, readiness: Readiness, lifecycle: &Lifecycle) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(|| async { metrics::render() }))
        .with_state(readiness);
    // Not one of the tasks that draining waits for.
    let hard = lifecycle.hard().clone();
    tokio::spawn(async move {
        tokio::select! {
            result = axum::serve(listener, router) => {
                if let Err(error) = result {
                    tracing::error!(error = error.to_string(), "the operations port failed");
                }
            }
            () = hard.cancelled() => {}
        }
    });
    Ok(bound)
}

async fn readyz(State(readiness): State<Readiness>) -> (StatusCode, String) {
    let status = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, readiness.report())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ready_means_every_condition_holds_and_nothing_drains() {
        let lifecycle = Lifecycle::new();
        let readiness = Readiness::new(lifecycle.clone(), &["store"]);
        let address = serve("127.0.0.1:0".parse().unwrap(), readiness.clone(), &lifecycle).await.unwrap();
        let get = async |path: &str| {
            let response = reqwest::get(format!("http://{address}{path}")).await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        };
        assert_eq!(get("/livez").await, (200, "ok\n".into()));
        assert_eq!(get("/readyz").await, (503, "not ok store: not yet\n".into()));
        readiness.set("store", Ok(()));
        assert_eq!(get("/readyz").await, (200, "ok store\n".into()));
        readiness.set("store", Err("away".into()));
        assert_eq!(get("/readyz").await.0, 503);
        readiness.set("store", Ok(()));
        lifecycle.shutdown();
        assert_eq!(get("/readyz").await, (503, "ok store\nnot ok draining\n".into()));
        assert_eq!(get("/metrics").await.0, 200);
    }
}
