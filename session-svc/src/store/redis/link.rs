//! Connections to Redis: one for each thread that serves, and one for everything else.
//!
//! Calls of one thread are written together and their answers read together; a second connection would only make the
//! batches smaller. A connection belongs to the runtime of its thread and is made anew when it breaks.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, RedisError, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
};
use svc_kit::{boot::BootError, server::threads::PerThread};

use super::failed;
use crate::ports::StoreError;

/// Longest wait for an answer and for a connection; both well below a call's deadline.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(800);
const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(250);

/// The connections of a store.
pub(super) struct Link {
    client: Client,
    connections: PerThread<RedisResult<ConnectionManager>>,
}

impl Link {
    /// Connects when needed.
    pub(super) fn new(url: &str, threads: usize) -> Result<Self, BootError> {
        let client = Client::open(url).map_err(BootError::because("store.url cannot be used"))?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(ANSWER_TIMEOUT))
            .set_connection_timeout(Some(ANSWER_TIMEOUT))
            .set_max_delay(RECONNECT_DELAY_MAX)
            .set_number_of_retries(1);
        let of_thread = client.clone();
        let make = move || ConnectionManager::new_lazy_with_config(of_thread.clone(), config.clone());
        Ok(Self { client, connections: PerThread::new(threads, make) })
    }

    /// The connection of this thread.
    pub(super) fn connection(&self) -> Result<ConnectionManager, StoreError> {
        self.connections.get().clone().map_err(failed)
    }

    /// A connection of its own, for a reader that waits up to `wait`: it would hold up every call behind it.
    pub(super) async fn waiting(&self, wait: Duration) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_TIMEOUT))
            .set_response_timeout(Some(wait + ANSWER_TIMEOUT));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Runs one command.
    pub(super) async fn command<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, StoreError> {
        command.query_async(&mut self.connection()?).await.map_err(failed)
    }

    /// Runs commands that are sent together.
    pub(super) async fn pipeline<T: FromRedisValue>(&self, pipeline: &redis::Pipeline) -> Result<T, StoreError> {
        pipeline.query_async(&mut self.connection()?).await.map_err(failed)
    }
}
