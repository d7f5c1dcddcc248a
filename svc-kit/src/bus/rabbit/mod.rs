//! RabbitMQ, behind our own supervisor.
//!
//! Nothing here relies on the client library's recovery: after any error that is not a refusal of one message, the whole
//! connection is dropped and built again. A channel that survived an error may claim to be open and never answer.

mod consumer;
mod publisher;

pub use consumer::RabbitConsumer;
pub use publisher::RabbitPublisher;

use std::{future::Future, time::Duration};

use lapin::{Connection, ConnectionProperties};
use secrecy::{ExposeSecret as _, SecretString};

use super::BusError;

/// Longest wait for one answer of the broker.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to the first broker that answers.
async fn connect(urls: &[SecretString], name: &'static str) -> Result<Connection, BusError> {
    let mut last = BusError::Closed;
    for url in urls {
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        match within(Connection::connect(url.expose_secret(), properties)).await {
            Ok(connection) => return Ok(connection),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Waits for an answer of the broker, not for ever.
async fn within<T>(answer: impl Future<Output = lapin::Result<T>>) -> Result<T, BusError> {
    match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(BusError::Broker(Box::new(error))),
        Err(_elapsed) => Err(BusError::Timeout),
    }
}
