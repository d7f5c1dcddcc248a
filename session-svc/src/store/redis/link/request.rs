//! What is sent to a server, and what comes of it.

use std::time::Duration;

use redis::{Cmd, FromRedisValue, RedisError, RedisResult, Value, from_redis_value};

use super::{lanes::Open, slots};
use crate::{ports::StoreError, store::redis::failed};

/// Longest wait for copies: below the wait for an answer, so that "too few" is an answer too.
const COPY_TIMEOUT: Duration = Duration::from_millis(500);

/// What a command is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store::redis) struct Place {
    pub(super) slot: u16,
}

impl Place {
    /// The place of a key.
    pub(in crate::store::redis) fn of(key: &str) -> Self {
        Self { slot: slots::slot(key.as_bytes()) }
    }
}

/// Which history of a server's data a command may meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::redis) enum Trust {
    Any,
    /// Only this one; otherwise it is not sent.
    Only(u64),
}

impl Trust {
    pub(super) fn allows(self, history: u64) -> bool {
        self == Self::Any || self == Self::Only(history)
    }
}

/// Why a command has no answer.
#[derive(Debug)]
pub(super) enum Failure {
    Redis(RedisError),
    Untrusted,
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Redis(error) => failed(error),
            Failure::Untrusted => Self::Untrusted,
        }
    }
}

/// An answer, and the history of the data that it was made from.
pub(in crate::store::redis) struct Answered<T> {
    pub(in crate::store::redis) value: T,
    pub(in crate::store::redis) history: u64,
}

/// What is sent at once.
#[derive(Clone, Copy)]
pub(super) enum Request<'r> {
    One(&'r Cmd),
    Many(&'r [Cmd]),
    /// A command, and the question whether so many copies have it. It blocks the connection that it is sent on.
    Copied(&'r Cmd, usize),
}

impl Request<'_> {
    /// Sends it; the first refusal is the failure of all. `is_asking`: the server is about to hold the place.
    pub(super) async fn send(self, open: &Open, is_asking: bool) -> RedisResult<Vec<Value>> {
        let answers = match self {
            Self::One(command) if is_asking => {
                open.batch.send(&[redis::cmd("ASKING"), command.clone()]).await?.split_off(1)
            }
            Self::One(command) => open.batch.send(std::slice::from_ref(command)).await?,
            Self::Many(commands) => open.batch.send(commands).await?,
            Self::Copied(command, copies) => {
                let mut pipeline = redis::pipe();
                if is_asking {
                    pipeline.cmd("ASKING");
                }
                pipeline.add_command(command.clone());
                pipeline.cmd("WAIT").arg(copies).arg(COPY_TIMEOUT.as_millis() as u64);
                open.connection.clone().send_packed_commands(&pipeline, usize::from(is_asking), 2).await?
            }
        };
        answers.into_iter().map(Value::extract_error).collect()
    }
}

/// The first of some answers.
pub(super) fn first<T: FromRedisValue>(answers: Vec<Value>) -> Result<T, StoreError> {
    read(answers.into_iter().next().unwrap_or(Value::Nil))
}

/// An answer as what it should be.
pub(super) fn read<T: FromRedisValue>(answer: Value) -> Result<T, StoreError> {
    from_redis_value(answer).map_err(RedisError::from).map_err(failed)
}
