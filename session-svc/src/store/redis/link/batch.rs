//! A connection on which calls of one moment are sent together.
//!
//! Whatever is sent costs the client a message to the task that owns the connection, an answer from it, a timer and a turn of
//! that task. Calls that are ready to send in the same turn of a thread share these: the first one asks for a turn at
//! the end of the queue, and what came until then leaves as one pipeline. Nobody waits for others who are not there yet.

use std::sync::{Arc, Mutex, PoisonError};

use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, Value, aio::MultiplexedConnection};
use tokio::sync::oneshot;

/// A connection, shared by the calls of a thread.
#[derive(Clone)]
pub(super) struct Batch {
    connection: MultiplexedConnection,
    waiting: Arc<Mutex<Waiting>>,
}

/// What leaves next. Bounded by the calls that the server lets in.
#[derive(Default)]
struct Waiting {
    pipeline: Pipeline,
    calls: Vec<Call>,
}

/// Whose answers come next, and how many they are.
struct Call {
    count: usize,
    answers: oneshot::Sender<RedisResult<Vec<Value>>>,
}

impl Batch {
    pub(super) fn new(connection: MultiplexedConnection) -> Self {
        Self { connection, waiting: Arc::default() }
    }

    /// Sends commands, which stay in their order and together, and returns an answer for each; a refusal is one.
    pub(super) async fn send(&self, commands: &[Cmd]) -> RedisResult<Vec<Value>> {
        let (answers, answered) = oneshot::channel();
        let is_first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            for command in commands {
                waiting.pipeline.add_command(command.clone());
            }
            waiting.calls.push(Call { count: commands.len(), answers });
            waiting.calls.len() == 1
        };
        if is_first {
            tokio::spawn(self.clone().flush());
        }
        answered.await.unwrap_or_else(|_| Err(RedisError::from((ErrorKind::Io, "the connection was given up"))))
    }

    async fn flush(mut self) {
        let Waiting { pipeline, calls } =
            std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        match self.connection.send_packed_commands(&pipeline, 0, pipeline.len()).await {
            Ok(values) => {
                let mut values = values.into_iter();
                for call in calls {
                    // Whoever asked may be gone.
                    let _ = call.answers.send(Ok(values.by_ref().take(call.count).collect()));
                }
            }
            Err(error) => {
                for call in calls {
                    let _ = call.answers.send(Err(error.clone()));
                }
            }
        }
    }
}
