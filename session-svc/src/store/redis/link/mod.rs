//! Connections to the store's servers: for each thread that serves one to each server, and one set for everything else.
//!
//! Calls of one thread are written together and their answers read together; a second connection would only make the
//! batches smaller. A connection belongs to the runtime of its thread and is made anew when it breaks.
//!
//! Every command names the place that it is about, and goes to the server that holds it. What a server refuses unread (it
//! does not hold the place, or not yet, or is a replica now) is sent again, where it belongs, for a while. What may have
//! been done already is not, unless doing it twice is the same.

mod lanes;
mod script;
mod slots;
pub(super) mod target;
mod topology;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ServerErrorKind, Value,
    aio::MultiplexedConnection, from_redis_value,
};
use svc_kit::boot::BootError;

pub(super) use self::script::{Invocation, Script};
use self::{
    lanes::{Lanes, Open},
    target::{Address, Target},
    topology::{Topology, redirection},
};
use super::{failed, keys::Keys};
use crate::{domain::id::Shard, ports::StoreError};

/// Longest wait for an answer and for a connection; both well below a call's deadline.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(800);
/// How long a command that is refused unread is sent again: below a call's deadline too.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Pause before it is sent again to where nothing has changed.
const PAUSE: Duration = Duration::from_millis(25);

/// What a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    slot: u16,
}

impl Place {
    /// The place of a key.
    pub(super) fn of(key: &str) -> Self {
        Self { slot: slots::slot(key.as_bytes()) }
    }
}

/// What is sent at once.
#[derive(Clone, Copy)]
enum Request<'r> {
    One(&'r Cmd),
    Many(&'r Pipeline),
}

impl Request<'_> {
    /// Sends it; the first refusal is the failure of all. `is_asking`: the server is about to hold the place.
    async fn send(self, connection: &mut MultiplexedConnection, is_asking: bool) -> RedisResult<Vec<Value>> {
        let answers = match self {
            Self::One(command) if !is_asking => vec![connection.send_packed_command(command).await?],
            Self::One(command) => {
                let mut pipeline = redis::pipe();
                pipeline.cmd("ASKING").add_command(command.clone());
                connection.send_packed_commands(&pipeline, 1, 1).await?
            }
            Self::Many(pipeline) => connection.send_packed_commands(pipeline, 0, pipeline.len()).await?,
        };
        answers.into_iter().map(Value::extract_error).collect()
    }
}

/// The connections of a store.
pub(super) struct Link {
    topology: Arc<Topology>,
    lanes: Lanes,
    shards: Vec<Place>,
}

impl Link {
    /// Connects when needed.
    pub(super) fn new(target: Target, threads: usize, keys: &Keys, shards: u16) -> Result<Self, BootError> {
        let topology = Topology::new(target).map_err(BootError::because("store.url cannot be used"))?;
        let topology = Arc::new(topology);
        let shards = (0..shards).map(|shard| Place::of(&keys.version(Shard(shard)))).collect();
        Ok(Self { lanes: Lanes::new(topology.clone(), threads), topology, shards })
    }

    /// The place of a shard.
    pub(super) fn shard(&self, shard: Shard) -> Place {
        self.shards.get(usize::from(shard.0)).copied().unwrap_or(Place { slot: 0 })
    }

    /// Says whether keys of different shards may be on different servers.
    pub(super) fn is_cluster(&self) -> bool {
        self.topology.is_cluster()
    }

    /// Runs one command.
    pub(super) async fn command<T: FromRedisValue>(&self, place: Place, command: &Cmd) -> Result<T, StoreError> {
        self.run(place, Request::One(command), false).await.and_then(first).map_err(failed)
    }

    /// Runs one command that may as well be done twice.
    pub(super) async fn read<T: FromRedisValue>(&self, place: Place, command: &Cmd) -> Result<T, StoreError> {
        self.run(place, Request::One(command), true).await.and_then(first).map_err(failed)
    }

    /// Runs reads of one place that are sent together and done in their order.
    pub(super) async fn reads<T: FromRedisValue>(&self, place: Place, pipeline: &Pipeline) -> Result<T, StoreError> {
        let answers = self.run(place, Request::Many(pipeline), true).await.map_err(failed)?;
        from_redis_value(Value::Array(answers)).map_err(RedisError::from).map_err(failed)
    }

    /// Runs a script.
    pub(super) async fn script<T: FromRedisValue>(&self, place: Place, call: &Invocation<'_>) -> Result<T, StoreError> {
        let result = match self.run(place, Request::One(&call.by_hash()), false).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.run(place, Request::One(&call.by_text()), false).await
            }
            result => result,
        };
        result.and_then(first).map_err(failed)
    }

    /// Runs a command for each of many places, those of one server together; each has its own result. They may be done
    /// twice.
    pub(super) async fn scatter<T: FromRedisValue>(&self, commands: &[(Place, Cmd)]) -> Vec<Result<T, StoreError>> {
        let (mut groups, map): (Vec<Vec<usize>>, _) = (Vec::new(), self.lanes.map());
        for (number, (place, _)) in commands.iter().enumerate() {
            let holder = map.holder(place.slot).unwrap_or(0);
            if groups.len() <= holder {
                groups.resize_with(holder + 1, Vec::new);
            }
            groups[holder].push(number);
        }
        let sent = groups.iter().filter(|group| !group.is_empty()).map(|group| async move {
            let mut pipeline = redis::pipe();
            for number in group {
                pipeline.add_command(commands[*number].1.clone());
            }
            let answers = match self.lanes.open(commands[group[0]].0.slot).await {
                Ok(mut open) => open.connection.send_packed_commands(&pipeline, 0, group.len()).await,
                Err(error) => Err(error),
            };
            // One by one goes where each belongs, or fails as it should.
            let answers = answers.unwrap_or_default().into_iter().map(Some).chain(std::iter::repeat_with(|| None));
            group.iter().copied().zip(answers).collect::<Vec<_>>()
        });
        let mut answers: Vec<(usize, Option<Value>)> = join_all(sent).await.into_iter().flatten().collect();
        answers.sort_unstable_by_key(|(number, _)| *number);
        let results = answers.into_iter().zip(commands).map(|((_, answer), (place, command))| async move {
            match answer {
                Some(Value::ServerError(_)) | None => self.command(*place, command).await,
                Some(answer) => from_redis_value(answer).map_err(RedisError::from).map_err(failed),
            }
        });
        join_all(results).await
    }

    /// A connection of its own to the server that holds a place, for a reader that waits up to `wait`: it would hold up
    /// every call behind it. And the epoch at which it is the right one.
    pub(super) async fn waiting(
        &self,
        place: Place,
        wait: Duration,
    ) -> Result<(u64, MultiplexedConnection), RedisError> {
        let epoch = self.topology.epoch();
        let node = self.lanes.open(place.slot).await?.node;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_TIMEOUT))
            .set_response_timeout(Some(wait + ANSWER_TIMEOUT));
        Ok((epoch, node.client.get_multiplexed_async_connection_with_config(&config).await?))
    }

    /// Grows when places move to other servers.
    pub(super) fn epoch(&self) -> u64 {
        self.topology.epoch()
    }

    /// Reads a setting of every server that holds data or copies it, with the server's name. A copy that is away is left
    /// out, and so is one that does not let us look.
    pub(super) async fn settings(&self, name: &str) -> Result<Vec<(String, String)>, StoreError> {
        let (primaries, replicas) = self.topology.servers().await.map_err(failed)?;
        let mut found = Vec::new();
        let all =
            primaries.iter().map(|address| (address, true)).chain(replicas.iter().map(|address| (address, false)));
        for (address, is_primary) in all {
            let client = self.topology.target.client(address).map_err(failed)?;
            let mut connection = match topology::connect(&client).await {
                Ok(connection) => connection,
                Err(error) if is_primary => return Err(failed(error)),
                Err(_) => continue,
            };
            let mut get = redis::cmd("CONFIG");
            get.arg("GET").arg(name);
            let settings: HashMap<String, String> = get.query_async(&mut connection).await.unwrap_or_default();
            found.extend(settings.into_values().map(|value| (address.to_string(), value)));
        }
        Ok(found)
    }

    async fn run(&self, place: Place, request: Request<'_>, is_repeatable: bool) -> RedisResult<Vec<Value>> {
        let started = Instant::now();
        let (mut may_repeat, mut asked) = (is_repeatable, None);
        loop {
            let epoch = self.topology.epoch();
            let open = match asked.take() {
                Some(number) => self.lanes.open_number(number).await.map(|open| (open, true)),
                None => self.lanes.open(place.slot).await.map(|open| (open, false)),
            };
            let (open, error) = match open {
                Ok((mut open, is_asking)) => match request.send(&mut open.connection, is_asking).await {
                    Ok(answers) => return Ok(answers),
                    Err(error) => (Some(open), error),
                },
                Err(error) => (None, error),
            };
            match self.next(&open, &error, &mut may_repeat) {
                Next::Elsewhere(_, _) if matches!(request, Request::Many(_)) => break,
                Next::Elsewhere(address, true) => self.topology.moved(place.slot, &address)?,
                Next::Elsewhere(address, false) => asked = Some(self.topology.number(&address)?),
                Next::Again => {
                    let looked_up = self.topology.look_up(epoch).await;
                    if started.elapsed() > PATIENCE {
                        return Err(looked_up.err().unwrap_or(error));
                    }
                    if self.topology.epoch() == epoch {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                Next::Fail => return Err(error),
            }
            if started.elapsed() > PATIENCE {
                return Err(error);
            }
        }
        // The place is on its way: its keys are here and there, and each is asked for by itself, in order.
        let Request::Many(pipeline) = request else { return Ok(Vec::new()) };
        let mut answers = Vec::with_capacity(pipeline.len());
        for command in pipeline.cmd_iter() {
            answers.extend(Box::pin(self.run(place, Request::One(command), is_repeatable)).await?);
        }
        Ok(answers)
    }

    /// What to do after a failure.
    fn next(&self, open: &Option<Open>, error: &RedisError, may_repeat: &mut bool) -> Next {
        let Some(open) = open else {
            // Nothing was sent. A server that is gone for good is one of several, or ours to report at once.
            return if self.topology.has_others() { Next::Again } else { Next::Fail };
        };
        match error.kind() {
            ErrorKind::Server(kind @ (ServerErrorKind::Moved | ServerErrorKind::Ask)) if self.is_cluster() => {
                match redirection(error, &open.node.address) {
                    Some(address) => Next::Elsewhere(address, kind == ServerErrorKind::Moved),
                    None => Next::Fail,
                }
            }
            ErrorKind::Server(ServerErrorKind::TryAgain | ServerErrorKind::ClusterDown) => Next::Again,
            ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown) => Next::Again,
            ErrorKind::Server(ServerErrorKind::ReadOnly) => {
                // It was the primary when we connected.
                self.lanes.close(open);
                Next::Again
            }
            ErrorKind::Server(_) | ErrorKind::Extension => Next::Fail,
            _ => {
                self.lanes.close(open);
                let is_repeated = std::mem::take(may_repeat) && !error.is_timeout();
                if is_repeated { Next::Again } else { Next::Fail }
            }
        }
    }
}

enum Next {
    /// The server says where: for good (`true`), or for this once.
    Elsewhere(Address, bool),
    /// The same again, after looking who holds the place.
    Again,
    Fail,
}

fn first<T: FromRedisValue>(answers: Vec<Value>) -> RedisResult<T> {
    Ok(from_redis_value(answers.into_iter().next().unwrap_or(Value::Nil))?)
}
