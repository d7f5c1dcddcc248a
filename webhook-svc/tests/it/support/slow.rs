//! A receiver that answers when it is told to, and knows when requests came.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use axum::{Router, extract::State, http::StatusCode, routing::post};
use tokio::{net::TcpListener, sync::Semaphore};

/// A receiver on a port of its own.
#[derive(Clone)]
pub struct Slow {
    pub url: String,
    came: Arc<Mutex<Vec<Instant>>>,
    answered: Arc<Mutex<usize>>,
    answers: Arc<Semaphore>,
}

impl Slow {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let this = Self { url, came: Arc::default(), answered: Arc::default(), answers: Arc::new(Semaphore::new(0)) };
        let router = Router::new().route("/hook", post(take)).with_state(this.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        this
    }

    /// Answers so many requests: those that are here, or come.
    pub fn answer(&self, count: usize) {
        self.answers.add_permits(count);
    }

    /// Requests that have no answer yet.
    pub fn under_way(&self) -> usize {
        self.came.lock().unwrap().len() - *self.answered.lock().unwrap()
    }

    /// Waits until so many requests came, and says when they did.
    pub async fn wait_for(&self, count: usize) -> Vec<Instant> {
        super::eventually(&format!("{count} requests"), async || {
            let came = self.came.lock().unwrap().clone();
            (came.len() >= count).then_some(came)
        })
        .await
    }
}

async fn take(State(slow): State<Slow>) -> StatusCode {
    slow.came.lock().unwrap().push(Instant::now());
    slow.answers.acquire().await.unwrap().forget();
    *slow.answered.lock().unwrap() += 1;
    StatusCode::NO_CONTENT
}
