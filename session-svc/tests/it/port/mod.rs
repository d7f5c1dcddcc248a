//! What the ports of the store promise, held by the store in memory and by the one in Redis alike: a file for each port, and a test
//! for each thing that it says.

mod chores;
pub mod outbox;
mod policies;
mod sessions;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use session_svc::{
    domain::{
        cutoff::Scope,
        device::Device,
        end::{End, EndReason},
        event::{Event, What},
        id::{ApplicationId, Owner, SessionId, Shard},
        policy::Caps,
        revision::Revision,
        session::{Kind, RefreshMode, Session, Stored, TokenState},
        times::Times,
    },
    ports::{Commit, Committed, Cut, CutPlace, Read, Write},
    store::{memory::MemoryStore, redis::RedisStore},
};
use svc_kit::{
    bus::Message,
    clock::{ManualClock, Timestamp},
    entropy::OsEntropy,
};

use crate::support::{
    AnyStore, commands,
    service::{START, forget, random_name, redis_url},
    waiting_events,
};

const SHARDS: u16 = 2;
const IDLE: Duration = Duration::from_secs(3_600);
const LIFE: Duration = Duration::from_secs(10 * 3_600);

/// Makes a test of each function for each store.
macro_rules! for_each_store {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            #[tokio::test]
            async fn memory() {
                super::$name(&crate::port::in_memory()).await;
            }

            #[tokio::test]
            async fn redis() {
                super::$name(&crate::port::in_redis()).await;
            }
        })+
    };
}
pub(crate) use for_each_store;

/// A store under test.
pub struct Port<S> {
    pub store: S,
    prefix: Option<String>,
}

pub fn in_memory() -> Port<MemoryStore> {
    Port { store: MemoryStore::new("test", SHARDS, Arc::new(ManualClock::new(START))), prefix: None }
}

pub fn in_redis() -> Port<RedisStore> {
    let prefix = format!("{}:", random_name());
    Port { store: RedisStore::new(&redis_url(), &prefix, "test", SHARDS, 1).unwrap(), prefix: Some(prefix) }
}

impl<S> Drop for Port<S> {
    fn drop(&mut self) {
        if let Some(prefix) = self.prefix.take() {
            // A thread of its own: the client that forgets the keys blocks.
            let _ = std::thread::spawn(move || forget(&prefix)).join();
        }
    }
}

/// A moment after the start.
fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(START.as_ms() + ms)
}

fn owner(user: &str) -> Owner {
    commands::owner("acme", user)
}

fn shard(user: &str) -> Shard {
    owner(user).shard(SHARDS)
}

fn web() -> ApplicationId {
    ApplicationId::parse("web").unwrap()
}

/// A living session that is not stored yet.
fn session(user: &str, ms: i64) -> Stored {
    let (created_at, owner) = (at(ms), owner(user));
    let session = Session {
        id: SessionId::generate(owner.shard(SHARDS), &OsEntropy),
        owner,
        application: Some(web()),
        kind: Kind::Application,
        parent: None,
        survives_parent: false,
        keep_signed_in: false,
        created_at,
        authenticated_at: created_at,
        last_active_at: created_at,
        times: Times { idle_timeout: IDLE, absolute_lifetime: LIFE },
        limits_since: created_at,
        wish: Times::default(),
        caps: Caps::default(),
        amr: vec!["pwd".to_owned(), "something else".to_owned()],
        acr: "1".to_owned(),
        scopes: vec!["offline_access".to_owned(), "openid".to_owned(), "invoices:read".to_owned()],
        device: Device {
            name: "Firefox".to_owned(),
            ip_address: "2001:db8::1".to_owned(),
            last_ip_address: "203.0.113.17".to_owned(),
            ..Device::default()
        },
        attributes: BTreeMap::from([("colour".to_owned(), "green".to_owned())]),
        token: TokenState {
            mode: RefreshMode::Rotate,
            generation: 1,
            salt: [7; 16],
            rotated_at: created_at,
            confirmed: false,
            replays: 0,
        },
        end: None,
    };
    Stored { session: Arc::new(session), created: Revision::default(), sequence: 1, births: 0 }
}

fn end(ms: i64) -> End {
    End { at: at(ms), reason: EndReason::Admin, comment: "enough".to_owned(), by: "test".to_owned() }
}

fn told(stored: &Stored) -> Event {
    let what = What::Created(stored.session.clone());
    Event { at: stored.session.created_at, sequence: stored.sequence, actor: String::new(), what }
}

/// The decision to create a session.
fn creating(stored: &Stored) -> Commit {
    let mut commit = Commit::new(stored.session.id.shard());
    commit.events.push(told(stored));
    commit.writes.push(Write { before: None, after: stored.clone(), is_forgotten: false });
    commit
}

/// The decision to store another form of a session that was read.
fn changing(read: &Read, after: Stored) -> Commit {
    let mut commit = Commit::new(after.session.id.shard());
    commit.writes.push(Write { before: Some(read.snapshot.clone()), after, is_forgotten: false });
    commit
}

fn ending(read: &Read, ms: i64) -> Commit {
    let (after, event) = read.stored.ended(end(ms));
    Commit { events: vec![event], ..changing(read, after) }
}

fn forgetting(read: &Read) -> Commit {
    let mut commit = changing(read, read.stored.clone());
    commit.writes[0].is_forgotten = true;
    commit
}

fn scope(user: &str) -> Scope {
    Scope { tenant: owner(user).tenant, user: Some(owner(user).user), application: None, session: None }
}

/// The decision to cut a user off.
fn cutting(user: &str, ms: i64, is_closed: bool) -> Commit {
    let mut commit = Commit::new(shard(user));
    let cut = Cut { scope: scope(user), end: end(ms), is_closed, place: CutPlace::Here, earlier: Vec::new() };
    commit.cuts.push(cut);
    commit
}

impl<S: AnyStore> Port<S> {
    /// Stores what must succeed; returns the positions of its events.
    async fn store(&self, commit: Commit) -> Vec<Revision> {
        match self.store.commit(commit).await.unwrap() {
            Committed::Done(positions) => positions,
            Committed::Conflict => panic!("a conflict"),
        }
    }

    async fn is_conflict(&self, commit: Commit) -> bool {
        self.store.commit(commit).await.unwrap() == Committed::Conflict
    }

    async fn read(&self, id: SessionId) -> Option<Read> {
        self.store.load(id).await.unwrap().read
    }

    /// Creates a session of a user at a moment.
    async fn create(&self, user: &str, ms: i64) -> Read {
        let stored = session(user, ms);
        self.store(creating(&stored)).await;
        self.read(stored.session.id).await.unwrap()
    }

    /// The first events that wait, of all shards.
    pub async fn waiting(&self, limit: usize) -> Vec<(Shard, Revision, Message)> {
        waiting_events(&self.store, &[Shard(0), Shard(1)], limit).await
    }

    async fn version(&self, user: &str) -> u64 {
        self.store.cutoffs(shard(user)).await.unwrap().version
    }
}
