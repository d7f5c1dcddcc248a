//! Which server holds which key now. Shared by all threads; connections are not.
//!
//! Whoever meets a sign that this changed (a redirection, a server that is gone, or is a replica now) has it looked up again
//! and goes on with what is found. So do all others from then on: a map has an epoch, which every thread compares.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, Value};
use tokio::sync::Mutex;

use super::{
    ANSWER_TIMEOUT,
    slots::SLOTS,
    target::{Address, Kind, Target},
};

/// Servers that are asked at the same time.
const ASKED_MAX: usize = 5;
/// Shortest time between two look-ups.
const LOOK_UP_PAUSE: Duration = Duration::from_millis(50);

/// A server that holds data.
pub(super) struct Node {
    pub(super) address: Address,
    pub(super) client: Client,
    /// Names the history of its data, as far as is known: changes when a replica is promoted, or it starts anew. 0: unknown.
    pub(super) history: AtomicU64,
}

/// Who holds what.
#[derive(Default)]
pub(super) struct Map {
    /// Servers, by the number that `slots` has.
    pub(super) nodes: Vec<Arc<Node>>,
    /// The server of each slot; `None`: the first one has everything.
    slots: Option<Vec<u16>>,
    /// Servers that copy the others, where the look-up tells.
    pub(super) replicas: Vec<Address>,
}

/// A slot that nobody holds.
const NOBODY: u16 = u16::MAX;

impl Map {
    /// The number of the server that holds a slot.
    pub(super) fn holder(&self, slot: u16) -> Option<usize> {
        let number = match &self.slots {
            None => 0,
            Some(slots) => usize::from(*slots.get(usize::from(slot))?),
        };
        (number < self.nodes.len()).then_some(number)
    }

    fn number_of(&self, address: &Address) -> Option<usize> {
        self.nodes.iter().position(|node| node.address == *address)
    }

    fn is_like(&self, other: &Self) -> bool {
        let addresses = |map: &Self| map.nodes.iter().map(|node| node.address.clone()).collect::<Vec<_>>();
        self.slots == other.slots && self.replicas == other.replicas && addresses(self) == addresses(other)
    }
}

pub(super) struct Topology {
    pub(super) target: Target,
    map: RwLock<Arc<Map>>,
    epoch: AtomicU64,
    looked_up: Mutex<Option<Instant>>,
}

impl Topology {
    pub(super) fn new(target: Target) -> RedisResult<Self> {
        let mut map = Map::default();
        if let (Kind::Standalone, Some(address)) = (&target.kind, target.seeds.first()) {
            map.nodes.push(node(&target, address.clone())?);
        }
        Ok(Self { target, map: RwLock::new(Arc::new(map)), epoch: AtomicU64::new(1), looked_up: Mutex::new(None) })
    }

    /// Grows with every change of the map.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(SeqCst)
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.target.kind == Kind::Cluster
    }

    /// Says whether another server may take over.
    pub(super) fn has_others(&self) -> bool {
        self.target.kind != Kind::Standalone
    }

    /// The epoch and the map, which may be newer.
    pub(super) fn map(&self) -> (u64, Arc<Map>) {
        let epoch = self.epoch();
        (epoch, self.map.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Takes a redirection at its word.
    pub(super) fn moved(&self, slot: u16, address: &Address) -> RedisResult<()> {
        self.change(|map| {
            let number = self.number_in(map, address)?;
            let slots = map.slots.get_or_insert_with(|| vec![NOBODY; usize::from(SLOTS)]);
            if let (Some(place), Ok(number)) = (slots.get_mut(usize::from(slot)), u16::try_from(number)) {
                *place = number;
            }
            Ok(())
        })
    }

    /// The number of a server that may be new to us.
    pub(super) fn number(&self, address: &Address) -> RedisResult<usize> {
        if let Some(number) = self.map().1.number_of(address) {
            return Ok(number);
        }
        let mut found = 0;
        self.change(|map| {
            found = self.number_in(map, address)?;
            Ok(())
        })?;
        Ok(found)
    }

    fn number_in(&self, map: &mut Map, address: &Address) -> RedisResult<usize> {
        if let Some(number) = map.number_of(address) {
            return Ok(number);
        }
        map.nodes.push(node(&self.target, address.clone())?);
        Ok(map.nodes.len() - 1)
    }

    fn change(&self, change: impl FnOnce(&mut Map) -> RedisResult<()>) -> RedisResult<()> {
        let mut current = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let Map { nodes, slots, replicas } = &**current;
        let mut next = Map { nodes: nodes.clone(), slots: slots.clone(), replicas: replicas.clone() };
        change(&mut next)?;
        *current = Arc::new(next);
        self.epoch.fetch_add(1, SeqCst);
        Ok(())
    }

    /// Looks up who holds what, unless somebody did since `epoch`, or just now.
    pub(super) async fn look_up(&self, epoch: u64) -> RedisResult<()> {
        if self.target.kind == Kind::Standalone {
            return Ok(());
        }
        let mut looked_up = self.looked_up.lock().await;
        if self.epoch() != epoch || looked_up.is_some_and(|at| at.elapsed() < LOOK_UP_PAUSE) {
            return Ok(());
        }
        let found = match &self.target.kind {
            Kind::Standalone => return Ok(()),
            Kind::Sentinel { primary } => self.ask_sentinels(primary).await,
            Kind::Cluster => self.ask_nodes().await,
        };
        *looked_up = Some(Instant::now());
        let found = found?;
        let mut current = self.map.write().unwrap_or_else(PoisonError::into_inner);
        if !current.is_like(&found) {
            tracing::info!(servers = found.nodes.len(), "the store's servers changed");
            *current = Arc::new(found);
            self.epoch.fetch_add(1, SeqCst);
        }
        Ok(())
    }

    /// Every server that holds data, and every one that copies it, as far as this is told.
    pub(super) async fn servers(&self) -> RedisResult<(Vec<Address>, Vec<Address>)> {
        let (epoch, map) = self.map();
        if map.nodes.is_empty() {
            self.look_up(epoch).await?;
        }
        let map = self.map().1;
        let replicas = match &self.target.kind {
            Kind::Sentinel { primary } => self.ask_for_replicas(primary).await?,
            Kind::Standalone | Kind::Cluster => map.replicas.clone(),
        };
        Ok((map.nodes.iter().map(|node| node.address.clone()).collect(), replicas))
    }

    async fn ask_for_replicas(&self, primary: &str) -> RedisResult<Vec<Address>> {
        let mut failure = nobody("no sentinel answers");
        for seed in &self.target.seeds {
            let mut ask = redis::cmd("SENTINEL");
            ask.arg("REPLICAS").arg(primary);
            let answer = match connect(&self.target.sentinel(seed)?).await {
                Ok(mut connection) => ask.query_async::<Vec<HashMap<String, String>>>(&mut connection).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(replicas) => return Ok(replicas.iter().filter_map(address_of).collect()),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Keeps what is known of a server that stays.
    fn node(&self, address: Address) -> RedisResult<Arc<Node>> {
        let known = self.map().1;
        known.nodes.iter().find(|node| node.address == address).cloned().map_or_else(|| node(&self.target, address), Ok)
    }

    async fn ask_sentinels(&self, primary: &str) -> RedisResult<Map> {
        let answers = join_all(self.target.seeds.iter().take(ASKED_MAX).map(|seed| async move {
            let client = self.target.sentinel(seed)?;
            let mut ask = redis::cmd("SENTINEL");
            ask.arg("MASTER").arg(primary);
            ask.query_async::<HashMap<String, String>>(&mut connect(&client).await?).await
        }));
        let mut failure = nobody("no sentinel answers");
        let mut latest: Option<(u64, Address)> = None;
        for answer in answers.await {
            match answer {
                Ok(fields) => {
                    let epoch = fields.get("config-epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
                    // A sentinel that was cut off knows an older one.
                    if let Some(address) = address_of(&fields)
                        && latest.as_ref().is_none_or(|(before, _)| *before < epoch)
                    {
                        latest = Some((epoch, address));
                    }
                }
                Err(error) => failure = error,
            }
        }
        let (_, address) = latest.ok_or(failure)?;
        Ok(Map { nodes: vec![self.node(address)?], ..Map::default() })
    }

    async fn ask_nodes(&self) -> RedisResult<Map> {
        let known = self.map().1;
        let nodes = known.nodes.iter().map(|node| node.address.clone());
        let mut addresses: Vec<Address> = nodes.chain(known.replicas.clone()).collect();
        addresses.extend(self.target.seeds.iter().filter(|seed| known.number_of(seed).is_none()).cloned());
        // Not always the same ones first.
        let turn = usize::try_from(self.epoch.load(Relaxed)).unwrap_or(0) % addresses.len().max(1);
        addresses.rotate_left(turn);
        let mut failure = nobody("no node of the cluster answers");
        for chunk in addresses.chunks(ASKED_MAX) {
            let mut latest: Option<((bool, u64), Map)> = None;
            for answer in join_all(chunk.iter().map(|address| self.ask_node(address))).await {
                match answer {
                    Ok((rank, map)) if latest.as_ref().is_none_or(|(before, _)| *before < rank) => {
                        latest = Some((rank, map));
                    }
                    Ok(_) => {}
                    Err(error) => failure = error,
                }
            }
            if let Some((_, map)) = latest {
                return Ok(map);
            }
        }
        Err(failure)
    }

    /// One node's view, and how much it is worth: a node that sees the cluster as whole, and as it is latest, comes first.
    async fn ask_node(&self, asked: &Address) -> RedisResult<((bool, u64), Map)> {
        let client = self.target.client(asked)?;
        let mut pipeline = redis::pipe();
        pipeline.cmd("CLUSTER").arg("INFO").cmd("CLUSTER").arg("SLOTS");
        let (info, ranges): (String, Vec<Vec<Value>>) = pipeline.query_async(&mut connect(&client).await?).await?;
        let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let epoch = field("cluster_current_epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
        let rank = (field("cluster_state") == Some("ok"), epoch);
        let mut map = Map { slots: Some(vec![NOBODY; usize::from(SLOTS)]), ..Map::default() };
        for range in ranges {
            let [Value::Int(first), Value::Int(last), servers @ ..] = &range[..] else { continue };
            let mut servers = servers.iter().filter_map(|server| server_of(server, asked));
            let Some(primary) = servers.next() else { continue };
            let number = match map.number_of(&primary) {
                Some(number) => number,
                None => {
                    map.nodes.push(self.node(primary)?);
                    map.nodes.len() - 1
                }
            };
            let (Ok(first), Ok(last), Ok(number)) =
                (usize::try_from(*first), usize::try_from(*last), number.try_into())
            else {
                continue;
            };
            if let Some(slots) = map.slots.as_mut().and_then(|slots| slots.get_mut(first..=last)) {
                slots.fill(number);
            }
            for replica in servers {
                if !map.replicas.contains(&replica) {
                    map.replicas.push(replica);
                }
            }
        }
        Ok((rank, map))
    }
}

/// A server as a sentinel describes it.
fn address_of(fields: &HashMap<String, String>) -> Option<Address> {
    Some(Address { host: fields.get("ip")?.clone(), port: fields.get("port")?.parse().ok()? })
}

/// A server as `CLUSTER SLOTS` names it; one without a host is where the answer came from.
fn server_of(server: &Value, asked: &Address) -> Option<Address> {
    let Value::Array(parts) = server else { return None };
    let [host, Value::Int(port), ..] = &parts[..] else { return None };
    let host = match host {
        Value::BulkString(host) if !host.is_empty() => String::from_utf8(host.clone()).ok()?,
        Value::SimpleString(host) if !host.is_empty() => host.clone(),
        _ => asked.host.clone(),
    };
    Some(Address { host, port: u16::try_from(*port).ok()? })
}

/// The server that a redirection names; one without a host is where the answer came from.
pub(super) fn redirection(error: &RedisError, asked: &Address) -> Option<Address> {
    let (place, _) = error.redirect_node()?;
    let (host, port) = place.rsplit_once(':')?;
    let host = if host.is_empty() { asked.host.clone() } else { host.to_owned() };
    Some(Address { host, port: port.parse().ok()? })
}

fn node(target: &Target, address: Address) -> RedisResult<Arc<Node>> {
    Ok(Arc::new(Node { client: target.client(&address)?, address, history: AtomicU64::new(0) }))
}

fn nobody(why: &'static str) -> RedisError {
    RedisError::from((ErrorKind::ClusterConnectionNotFound, why))
}

/// A connection for a question or two.
pub(super) async fn connect(client: &Client) -> RedisResult<redis::aio::MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ANSWER_TIMEOUT))
        .set_response_timeout(Some(ANSWER_TIMEOUT));
    client.get_multiplexed_async_connection_with_config(&config).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::redis::link::target::Location;

    fn address(text: &str) -> Address {
        let (host, port) = text.rsplit_once(':').unwrap();
        Address { host: host.to_owned(), port: port.parse().unwrap() }
    }

    fn cluster() -> Topology {
        let location = Location { url: "redis-cluster://127.0.0.1:1".into(), ..Location::default() };
        Topology::new(Target::new(&location).unwrap()).unwrap()
    }

    #[test]
    fn a_redirection_moves_one_slot_and_keeps_what_is_known() {
        let topology = cluster();
        assert_eq!(topology.map().1.holder(7), None);
        topology.moved(7, &address("10.0.0.1:7001")).unwrap();
        topology.map().1.nodes[0].history.store(42, SeqCst);
        topology.moved(8, &address("10.0.0.2:7002")).unwrap();
        let (epoch, map) = topology.map();
        assert_eq!((map.holder(7), map.holder(8), map.holder(9)), (Some(0), Some(1), None));
        assert_eq!(map.nodes[0].history.load(SeqCst), 42);
        assert_eq!(topology.number(&address("10.0.0.2:7002")).unwrap(), 1);
        assert_eq!(topology.epoch(), epoch, "a known server changes nothing");
        assert_eq!(topology.number(&address("10.0.0.3:7003")).unwrap(), 2);
        assert_ne!(topology.epoch(), epoch);
    }

    #[test]
    fn one_server_has_every_slot() {
        let location = Location { url: "redis://127.0.0.1:1/0".into(), ..Location::default() };
        let map = Topology::new(Target::new(&location).unwrap()).unwrap().map().1;
        assert_eq!((map.holder(0), map.holder(SLOTS - 1)), (Some(0), Some(0)));
    }

    #[test]
    fn an_answer_without_a_host_means_who_was_asked() {
        let asked = address("10.0.0.9:7000");
        let nameless = Value::Array(vec![Value::Nil, Value::Int(7001), Value::Nil]);
        assert_eq!(server_of(&nameless, &asked), Some(address("10.0.0.9:7001")));
        let named = Value::Array(vec![Value::BulkString(b"h".to_vec()), Value::Int(7001)]);
        assert_eq!(server_of(&named, &asked), Some(address("h:7001")));
        assert_eq!(server_of(&Value::Int(1), &asked), None);
    }
}
