//! Connections to the store's servers: for each thread that serves one to each server, and one set for everything else.
//!
//! Calls of one thread are written together and their answers read together; a second connection would only make the
//! batches smaller. Only what waits for copies has connections of its own, because it holds up what comes behind it. A
//! connection belongs to the runtime of its thread and is made anew when it breaks. Every command names the place that it
//! is about, and goes to the server that holds it ([`route`]).

mod batch;
mod lanes;
mod request;
mod route;
mod script;
mod slots;
pub(super) mod target;
mod topology;

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use futures::future::join_all;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind, Value,
    aio::MultiplexedConnection,
};
use svc_kit::{boot::BootError, clock::Timestamp};

use self::{
    lanes::{Lanes, Use},
    request::{Failure, Request, first, read},
    target::Target,
    topology::Topology,
};
pub(super) use self::{
    request::{Answered, Place, Trust},
    script::{Invocation, Script},
};
use super::{Options, failed, keys::Keys};
use crate::{domain::id::Shard, ports::StoreError};

/// Longest wait for an answer and for a connection; both well below a call's deadline.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(800);

/// The connections of a store.
pub(super) struct Link {
    topology: Arc<Topology>,
    lanes: Lanes,
    /// Copies that must have what is assured.
    copies: usize,
    shards: Vec<Place>,
}

impl Link {
    /// Connects when needed.
    pub(super) fn new(target: Target, keys: &Keys, options: &Options<'_>) -> Result<Self, BootError> {
        let topology = Topology::new(target).map_err(BootError::because("store.url cannot be used"))?;
        let topology = Arc::new(topology);
        let shards = (0..options.shards).map(|shard| Place::of(&keys.version(Shard(shard)))).collect();
        let lanes = Lanes::new(topology.clone(), options.threads);
        Ok(Self { lanes, topology, copies: options.copies, shards })
    }

    /// The place of a shard.
    pub(super) fn shard(&self, shard: Shard) -> Place {
        self.shards.get(usize::from(shard.0)).copied().unwrap_or_default()
    }

    /// Says whether keys of different shards may be on different servers.
    pub(super) fn is_cluster(&self) -> bool {
        self.topology.is_cluster()
    }

    /// Says whether anybody waits for copies.
    pub(super) fn waits_for_copies(&self) -> bool {
        self.copies > 0
    }

    /// Grows when places move to other servers.
    pub(super) fn epoch(&self) -> u64 {
        self.topology.epoch()
    }

    /// Runs one command.
    pub(super) async fn command<T: FromRedisValue>(&self, place: Place, command: &Cmd) -> Result<T, StoreError> {
        first(self.run(place, Request::One(command), false, Trust::Any).await?.value)
    }

    /// Runs one command that may as well be done twice.
    pub(super) async fn read<T: FromRedisValue>(&self, place: Place, command: &Cmd) -> Result<T, StoreError> {
        Ok(self.read_traced(place, command).await?.value)
    }

    /// The same, with the history that it was read from.
    pub(super) async fn read_traced<T: FromRedisValue>(
        &self,
        place: Place,
        command: &Cmd,
    ) -> Result<Answered<T>, StoreError> {
        let Answered { value, history } = self.run(place, Request::One(command), true, Trust::Any).await?;
        Ok(Answered { value: first(value)?, history })
    }

    /// Runs reads of one place that are sent together and done in their order.
    pub(super) async fn reads<T: FromRedisValue>(
        &self,
        place: Place,
        commands: &[Cmd],
    ) -> Result<Answered<T>, StoreError> {
        let Answered { value, history } = self.run(place, Request::Many(commands), true, Trust::Any).await?;
        Ok(Answered { value: read(Value::Array(value))?, history })
    }

    /// Runs a script.
    pub(super) async fn script<T: FromRedisValue>(
        &self,
        place: Place,
        call: &Invocation<'_>,
        trust: Trust,
    ) -> Result<T, StoreError> {
        let answers = match self.run(place, Request::One(&call.by_hash()), false, trust).await {
            Err(Failure::Redis(error)) if is_unknown_script(&error) => {
                self.run(place, Request::One(&call.by_text()), false, trust).await?
            }
            result => result?,
        };
        first(answers.value)
    }

    /// Runs a script, and says whether as many copies have what it wrote as the deployment wants.
    pub(super) async fn script_copied<T: FromRedisValue>(
        &self,
        place: Place,
        call: &Invocation<'_>,
        trust: Trust,
    ) -> Result<(T, bool), StoreError> {
        if !self.waits_for_copies() {
            return Ok((self.script(place, call, trust).await?, true));
        }
        let answers = match self.run(place, Request::Copied(&call.by_hash(), self.copies), false, trust).await {
            Err(Failure::Redis(error)) if is_unknown_script(&error) => {
                self.run(place, Request::Copied(&call.by_text(), self.copies), false, trust).await?
            }
            result => result?,
        };
        let mut answers = answers.value.into_iter();
        let answer = read(answers.next().unwrap_or(Value::Nil))?;
        let found: usize = first(answers.collect())?;
        Ok((answer, found >= self.copies))
    }

    /// The history of the data at a place.
    pub(super) async fn history(&self, place: Place) -> Result<u64, StoreError> {
        Ok(self.run(place, Request::One(&redis::cmd("PING")), true, Trust::Any).await?.history)
    }

    /// The history of the data at a place as far as is known, without asking.
    pub(super) fn known_history(&self, place: Place) -> Option<u64> {
        let map = self.lanes.map();
        let history = map.nodes.get(map.holder(place.slot)?)?.history.load(SeqCst);
        (history != 0).then_some(history)
    }

    /// Asks every primary for its history and its time, and returns the times; one that is a replica now is let go of.
    /// Failures are left to whoever needs the server.
    pub(super) async fn examine(&self) -> Vec<Timestamp> {
        // Nodes of a cluster say it themselves when they hold nothing any more; others do not.
        if !self.is_cluster() {
            let _ = self.topology.look_up(self.topology.epoch()).await;
        }
        let numbers = 0..self.lanes.map().nodes.len();
        let examined = join_all(numbers.map(|number| self.lanes.examine(number))).await;
        examined.into_iter().flatten().map(|examined| examined.time).collect()
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
            let answers = match self.lanes.open(commands[group[0]].0.slot, Use::Shared).await {
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
                Some(answer) => read(answer),
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
        let node = self.lanes.open(place.slot, Use::Shared).await?.node;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_TIMEOUT))
            .set_response_timeout(Some(wait + ANSWER_TIMEOUT));
        Ok((epoch, node.client.get_multiplexed_async_connection_with_config(&config).await?))
    }

    /// Reads a setting of every server that holds data or copies it, with the server's name. A copy that is away is left
    /// out, and so is one that does not let us look.
    pub(super) async fn settings(&self, name: &str) -> Result<Vec<(String, String)>, StoreError> {
        let (primaries, replicas) = self.topology.servers().await.map_err(failed)?;
        let mut found = Vec::new();
        let all = primaries.iter().map(|address| (address, true));
        for (address, is_primary) in all.chain(replicas.iter().map(|address| (address, false))) {
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
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
