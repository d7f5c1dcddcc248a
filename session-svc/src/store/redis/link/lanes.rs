//! The open connections of each thread.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use redis::{ErrorKind, RedisError, RedisResult, aio::MultiplexedConnection};
use svc_kit::{clock::Timestamp, secret, server::threads::PerThread};

use super::{
    batch::Batch,
    topology::{Map, Node, Topology, connect},
};

/// A connection that may be used now.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) connection: MultiplexedConnection,
    /// The same, for what need not be sent alone.
    pub(super) batch: Batch,
    pub(super) node: Arc<Node>,
    /// The history of the data that it was opened to. When others find another one at this address it is of no use.
    pub(super) history: u64,
    /// Tells it from those before and after it.
    serial: u64,
}

impl Open {
    /// Says whether nobody found another history at its address since.
    pub(super) fn is_current(&self) -> bool {
        self.history == self.node.history.load(SeqCst)
    }
}

type Opening = Shared<BoxFuture<'static, RedisResult<Open>>>;

#[derive(Clone, Default)]
enum Door {
    #[default]
    Closed,
    /// Somebody connects; whoever comes waits for the same.
    Opening(Opening),
    Open(Open),
}

/// Connections of a thread to a server for what waits for copies: so many such waits go on at the same time.
const BLOCKING: usize = 4;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Everything.
    Shared,
    /// What holds up whatever comes behind it.
    Blocking,
}

/// The doors to one server: one for everything, and those for what waits.
type Doors = [Door; 1 + BLOCKING];

/// What one thread knows and has: doors to each node of the map.
struct View {
    epoch: u64,
    map: Arc<Map>,
    doors: Vec<Doors>,
    turn: usize,
}

impl View {
    /// Which of the doors to a server comes next.
    fn place(&mut self, usage: Use) -> usize {
        match usage {
            Use::Shared => 0,
            Use::Blocking => {
                self.turn = self.turn.wrapping_add(1);
                1 + self.turn % BLOCKING
            }
        }
    }

    /// Takes over a newer map; doors to nodes that stay remain as they are.
    fn follow(&mut self, topology: &Topology) {
        if self.epoch == topology.epoch() {
            return;
        }
        let (epoch, map) = topology.map();
        let mut before: Vec<(Arc<Node>, Doors)> = self.map.nodes.iter().cloned().zip(self.doors.drain(..)).collect();
        self.doors = map
            .nodes
            .iter()
            .map(|node| {
                let known = before.iter().position(|(other, _)| Arc::ptr_eq(other, node));
                known.map(|known| before.swap_remove(known).1).unwrap_or_default()
            })
            .collect();
        (self.epoch, self.map) = (epoch, map);
    }
}

/// The connections of all threads.
pub(super) struct Lanes {
    topology: Arc<Topology>,
    views: PerThread<Mutex<View>>,
}

impl Lanes {
    pub(super) fn new(topology: Arc<Topology>, threads: usize) -> Self {
        let view = || Mutex::new(View { epoch: 0, map: Arc::default(), doors: Vec::new(), turn: 0 });
        Self { topology, views: PerThread::new(threads, view) }
    }

    /// The map as this thread knows it.
    pub(super) fn map(&self) -> Arc<Map> {
        self.with_view(|view| view.map.clone())
    }

    fn with_view<T>(&self, work: impl FnOnce(&mut View) -> T) -> T {
        let mut view = self.views.get().lock().unwrap_or_else(PoisonError::into_inner);
        view.follow(&self.topology);
        work(&mut view)
    }

    /// This thread's connection to the server that holds a slot, if there is one already.
    pub(super) fn ready(&self, slot: u16, usage: Use) -> Option<Open> {
        self.with_view(|view| {
            let number = view.map.holder(slot)?;
            let place = view.place(usage);
            match view.doors.get(number)?.get(place)? {
                Door::Open(open) if open.is_current() => Some(open.clone()),
                _ => None,
            }
        })
    }

    /// This thread's connection to the server that holds a slot.
    pub(super) async fn open(&self, slot: u16, usage: Use) -> RedisResult<Open> {
        self.enter(|map| map.holder(slot), usage).await
    }

    /// This thread's connection to the server of this number.
    pub(super) async fn open_number(&self, number: usize, usage: Use) -> RedisResult<Open> {
        self.enter(|map| (number < map.nodes.len()).then_some(number), usage).await
    }

    async fn enter(&self, choose: impl FnOnce(&Map) -> Option<usize>, usage: Use) -> RedisResult<Open> {
        let (node, opening) = {
            let found = self.with_view(|view| {
                let number = choose(&view.map)?;
                let node = view.map.nodes.get(number)?.clone();
                let place = view.place(usage);
                let door = view.doors.get_mut(number)?.get_mut(place)?;
                Some(match door {
                    Door::Open(open) => Ok(open.clone()),
                    Door::Opening(opening) => Err((node, opening.clone())),
                    Door::Closed => {
                        let opening = introduce(node.clone()).boxed().shared();
                        *door = Door::Opening(opening.clone());
                        Err((node, opening))
                    }
                })
            });
            match found {
                Some(Ok(open)) => return Ok(open),
                Some(Err(opening)) => opening,
                None => return Err(RedisError::from((ErrorKind::ClusterConnectionNotFound, "nobody holds the place"))),
            }
        };
        let result = opening.clone().await;
        self.with_doors(&node, |door| {
            if matches!(door, Door::Opening(current) if current.ptr_eq(&opening)) {
                *door = result.clone().map_or(Door::Closed, Door::Open);
            }
        });
        result
    }

    /// Gives a connection up; the next call makes another one.
    pub(super) fn close(&self, open: &Open) {
        self.with_doors(&open.node, |door| {
            if matches!(door, Door::Open(current) if current.serial == open.serial) {
                *door = Door::Closed;
            }
        });
    }

    fn with_doors(&self, node: &Arc<Node>, work: impl FnMut(&mut Door)) {
        self.with_view(|view| {
            let number = view.map.nodes.iter().position(|other| Arc::ptr_eq(other, node));
            if let Some(doors) = number.and_then(|number| view.doors.get_mut(number)) {
                doors.iter_mut().for_each(work);
            }
        });
    }

    /// Asks the server of this number how it is.
    pub(super) async fn examine(&self, number: usize) -> Option<Examined> {
        let mut open = self.open_number(number, Use::Shared).await.ok()?;
        match examine(&mut open.connection).await {
            Ok(examined) => {
                open.node.history.store(examined.history, SeqCst);
                Some(examined)
            }
            Err(_) => {
                self.close(&open);
                None
            }
        }
    }
}

/// What a primary says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Examined {
    pub(super) history: u64,
    pub(super) time: Timestamp,
}

/// Connects, and makes sure that the server is a primary: a replica would answer reads with what was.
async fn introduce(node: Arc<Node>) -> RedisResult<Open> {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let mut connection = connect(&node.client).await?;
    let examined = examine(&mut connection).await?;
    node.history.store(examined.history, SeqCst);
    Ok(Open {
        batch: Batch::new(connection.clone()),
        connection,
        node,
        history: examined.history,
        serial: SERIAL.fetch_add(1, Relaxed),
    })
}

async fn examine(connection: &mut MultiplexedConnection) -> RedisResult<Examined> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("INFO").arg("replication").cmd("TIME");
    let (info, (seconds, micros)): (String, (i64, i64)) = pipeline.query_async(connection).await?;
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    if field("role") != Some("master") {
        return Err(RedisError::from((ErrorKind::Client, "the server is a replica")));
    }
    let digest = secret::sha256(field("master_replid").unwrap_or_default().as_bytes());
    let history = digest.first_chunk().map_or(1, |bytes| u64::from_be_bytes(*bytes)).max(1);
    Ok(Examined { history, time: Timestamp::from_ms(seconds.saturating_mul(1_000).saturating_add(micros / 1_000)) })
}
