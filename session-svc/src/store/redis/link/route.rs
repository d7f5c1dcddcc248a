//! Brings a request to the server that holds its place.
//!
//! What a server refuses unread (it does not hold the place, or not yet, or is a replica now) is sent again, where it
//! belongs, for a while. What may have been done already is not, unless doing it twice is the same.

use std::time::{Duration, Instant};

use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value};

use super::{
    Link,
    lanes::{Open, Use},
    request::{Answered, Failure, Place, Request, Trust},
    target::Address,
    topology::redirection,
};

/// How long a request that is refused unread is sent again: below a call's deadline.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Pause before it is sent again to where nothing has changed.
const PAUSE: Duration = Duration::from_millis(25);

/// What to do after a failure.
enum Next {
    /// The server says where it holds for good.
    There(Address),
    /// The server says where to ask this once.
    Ask(Address),
    /// The same again, a little later.
    Later,
    /// The same again, after looking who holds the place now.
    LookUp,
    Fail,
}

/// A request, and what it may meet.
#[derive(Clone, Copy)]
struct Way<'r> {
    place: Place,
    request: Request<'r>,
    is_repeatable: bool,
    trust: Trust,
}

impl Way<'_> {
    fn usage(&self) -> Use {
        if matches!(self.request, Request::Copied(..)) { Use::Blocking } else { Use::Shared }
    }
}

impl Link {
    /// Brings a request to where its place is.
    pub(super) async fn run(
        &self,
        place: Place,
        request: Request<'_>,
        is_repeatable: bool,
        trust: Trust,
    ) -> Result<Answered<Vec<Value>>, Failure> {
        let way = Way { place, request, is_repeatable, trust };
        // Nearly always the connection is there and the server is the right one.
        let Some(open) = self.lanes.ready(place.slot, way.usage()) else {
            return Box::pin(self.find(way, None)).await;
        };
        let history = open.history;
        if !trust.allows(history) {
            return Err(Failure::Untrusted);
        }
        match request.send(&open, false).await {
            Ok(value) => Ok(Answered { value, history }),
            Err(error) => Box::pin(self.find(way, Some((open, error)))).await,
        }
    }

    async fn find(
        &self,
        way: Way<'_>,
        mut failure: Option<(Open, RedisError)>,
    ) -> Result<Answered<Vec<Value>>, Failure> {
        let Way { place, request, is_repeatable, trust } = way;
        let started = Instant::now();
        let (mut may_repeat, mut asked) = (is_repeatable, None);
        loop {
            let epoch = self.topology.epoch();
            let (opened, is_asking) = match (failure.take(), asked.take()) {
                (Some((open, error)), _) => (Err((Some(open), error)), false),
                (None, Some(number)) => {
                    (self.lanes.open_number(number, way.usage()).await.map_err(|error| (None, error)), true)
                }
                (None, None) => (self.lanes.open(place.slot, way.usage()).await.map_err(|error| (None, error)), false),
            };
            let (open, error) = match opened {
                Ok(open) if !open.is_current() => {
                    self.lanes.close(&open);
                    (None, RedisError::from((ErrorKind::Client, "the server has another history now")))
                }
                Ok(open) => {
                    let history = open.history;
                    // What a place takes along on its way to another server is what it had.
                    if !is_asking && !trust.allows(history) {
                        return Err(Failure::Untrusted);
                    }
                    match request.send(&open, is_asking).await {
                        Ok(value) => return Ok(Answered { value, history }),
                        Err(error) => (Some(open), error),
                    }
                }
                Err(failure) => failure,
            };
            let next = match &open {
                Some(open) => self.after_failure(open, &error, &mut may_repeat),
                None => self.after_nothing(&error),
            };
            match (next, request) {
                (Next::There(_) | Next::Ask(_), Request::Many(commands)) => {
                    return self.one_by_one(place, commands, trust).await;
                }
                (Next::There(address), _) => self.topology.moved(place.slot, &address)?,
                (Next::Ask(address), _) => asked = Some(self.topology.number(&address)?),
                (Next::Later, _) => tokio::time::sleep(PAUSE).await,
                (Next::LookUp, _) => {
                    let looked_up = self.topology.look_up(epoch).await;
                    if started.elapsed() > PATIENCE {
                        return Err(looked_up.err().unwrap_or(error).into());
                    }
                    if self.topology.epoch() == epoch {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                (Next::Fail, _) => return Err(error.into()),
            }
            if started.elapsed() > PATIENCE {
                return Err(error.into());
            }
        }
    }

    /// For a place that is on its way: its keys are here and there, and each is asked for by itself, in order.
    async fn one_by_one(&self, place: Place, commands: &[Cmd], trust: Trust) -> Result<Answered<Vec<Value>>, Failure> {
        let (mut value, mut histories) = (Vec::with_capacity(commands.len()), Vec::new());
        for command in commands {
            let answered = Box::pin(self.run(place, Request::One(command), true, trust)).await?;
            value.extend(answered.value);
            histories.push(answered.history);
        }
        histories.dedup();
        // Of several histories none is the one. No history is called 0.
        let history = if let [one] = histories[..] { one } else { 0 };
        Ok(Answered { value, history })
    }

    /// Nothing was sent. Where there are others one of them may take over; where there are none, that is all.
    fn after_nothing(&self, error: &RedisError) -> Next {
        let is_ours = error.kind() == ErrorKind::Client;
        if self.topology.has_others() || is_ours { Next::LookUp } else { Next::Fail }
    }

    fn after_failure(&self, open: &Open, error: &RedisError, may_repeat: &mut bool) -> Next {
        match error.kind() {
            ErrorKind::Server(kind @ (ServerErrorKind::Moved | ServerErrorKind::Ask)) if self.is_cluster() => {
                match redirection(error, &open.node.address) {
                    Some(address) if kind == ServerErrorKind::Moved => Next::There(address),
                    Some(address) => Next::Ask(address),
                    None => Next::Fail,
                }
            }
            ErrorKind::Server(ServerErrorKind::TryAgain | ServerErrorKind::BusyLoading) => Next::Later,
            ErrorKind::Server(ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown) => Next::LookUp,
            ErrorKind::Server(ServerErrorKind::ReadOnly) => {
                // It was the primary when we connected.
                self.lanes.close(open);
                Next::LookUp
            }
            ErrorKind::Server(_) | ErrorKind::Extension => Next::Fail,
            _ => {
                self.lanes.close(open);
                let is_repeated = std::mem::take(may_repeat) && !error.is_timeout();
                if is_repeated { Next::LookUp } else { Next::Fail }
            }
        }
    }
}
