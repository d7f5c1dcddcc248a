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
use svc_kit::{secret, server::threads::PerThread};

use super::topology::{Map, Node, Topology, connect};

/// A connection that may be used now.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) connection: MultiplexedConnection,
    pub(super) node: Arc<Node>,
    /// Tells it from those before and after it.
    serial: u64,
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

/// What one thread knows and has: a door to each node of the map.
struct View {
    epoch: u64,
    map: Arc<Map>,
    doors: Vec<Door>,
}

impl View {
    /// Takes over a newer map; doors to nodes that stay remain as they are.
    fn follow(&mut self, topology: &Topology) {
        if self.epoch == topology.epoch() {
            return;
        }
        let (epoch, map) = topology.map();
        let mut before: Vec<(Arc<Node>, Door)> = self.map.nodes.iter().cloned().zip(self.doors.drain(..)).collect();
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
        let view = || Mutex::new(View { epoch: 0, map: Arc::default(), doors: Vec::new() });
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

    /// This thread's connection to the server that holds a slot.
    pub(super) async fn open(&self, slot: u16) -> RedisResult<Open> {
        self.enter(|map| map.holder(slot)).await
    }

    /// This thread's connection to the server of this number.
    pub(super) async fn open_number(&self, number: usize) -> RedisResult<Open> {
        self.enter(|map| (number < map.nodes.len()).then_some(number)).await
    }

    async fn enter(&self, choose: impl FnOnce(&Map) -> Option<usize>) -> RedisResult<Open> {
        let (node, opening) = {
            let found = self.with_view(|view| {
                let number = choose(&view.map)?;
                let (node, door) = (view.map.nodes.get(number)?.clone(), view.doors.get_mut(number)?);
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
        self.with_door(&node, |door| {
            if matches!(door, Door::Opening(current) if current.ptr_eq(&opening)) {
                *door = result.clone().map_or(Door::Closed, Door::Open);
            }
        });
        result
    }

    /// Gives a connection up; the next call makes another one.
    pub(super) fn close(&self, open: &Open) {
        self.with_door(&open.node, |door| {
            if matches!(door, Door::Open(current) if current.serial == open.serial) {
                *door = Door::Closed;
            }
        });
    }

    fn with_door(&self, node: &Arc<Node>, work: impl FnOnce(&mut Door)) {
        self.with_view(|view| {
            let number = view.map.nodes.iter().position(|other| Arc::ptr_eq(other, node));
            if let Some(door) = number.and_then(|number| view.doors.get_mut(number)) {
                work(door);
            }
        });
    }
}

/// Connects, and makes sure that the server is a primary: a replica would answer reads with what was.
async fn introduce(node: Arc<Node>) -> RedisResult<Open> {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let mut connection = connect(&node.client).await?;
    let history = history(&mut connection).await?;
    node.history.store(history, SeqCst);
    Ok(Open { connection, node, serial: SERIAL.fetch_add(1, Relaxed) })
}

/// Names the history of a primary's data.
pub(super) async fn history(connection: &mut MultiplexedConnection) -> RedisResult<u64> {
    let info: String = redis::cmd("INFO").arg("replication").query_async(connection).await?;
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    if field("role") != Some("master") {
        return Err(RedisError::from((ErrorKind::Client, "the server is a replica")));
    }
    let name = field("master_replid").unwrap_or_default();
    let digest = secret::sha256(name.as_bytes());
    Ok(digest.first_chunk().map_or(1, |bytes| u64::from_be_bytes(*bytes)).max(1))
}
