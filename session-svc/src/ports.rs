//! What the use cases need from outside.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use svc_kit::{bus::Message, clock::Timestamp};

use crate::domain::{
    cutoff::{Cutoffs, Scope},
    end::End,
    event::Event,
    id::{ApplicationId, Owner, SessionId, Shard, TenantId, Whose},
    policy::{PolicyScope, PolicySet, StoredPolicy},
    revision::Revision,
    session::Stored,
};

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is away, or too slow. Whether a commit happened is not known; loading and deciding again is safe.
    #[error("the store is away")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It came back with another history of its data, and what may be missing is not restored yet. Nothing is stored.
    #[error("the store came back, and is not trusted yet")]
    Untrusted,
    /// The change is stored, and no copy has it yet. Asking for the same once more is safe, and waits again.
    #[error("stored, not replicated")]
    NotReplicated,
    /// The clocks of this replica and of the store are too far apart for deadlines to mean anything.
    #[error("the clock differs from the store's by {0} ms")]
    Skewed(i64),
    /// It has no room for anything new.
    #[error("the store is full")]
    Full,
    /// It holds something that is not ours or from another version.
    #[error("the store holds what cannot be read: {0}")]
    Unreadable(&'static str),
}

/// The exact stored form that was read; a commit is refused when it is no longer the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot(pub Bytes);

/// A session as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The session.
    pub stored: Stored,
    /// Its exact form, for the guard.
    pub snapshot: Snapshot,
}

/// A session, or none, and the cutoffs of its shard. The cutoffs are at least as new as the session.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The session.
    pub read: Option<Read>,
    /// The cutoffs.
    pub cutoffs: Arc<Cutoffs>,
}

/// A write to one session, which must still be in the form that was read.
#[derive(Clone, Debug)]
pub struct Write {
    /// The form that was read; `None`: there must be none.
    pub before: Option<Snapshot>,
    /// What to store.
    pub after: Stored,
    /// Whether to forget it, index entries included, instead.
    pub is_forgotten: bool,
}

/// A decision, to be stored as a whole or not at all. Everything is in one shard.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The shard.
    pub shard: Shard,
    /// The cutoffs must still have this version.
    pub cutoffs: Option<u64>,
    /// Sessions to write.
    pub writes: Vec<Write>,
    /// Cutoffs to write.
    pub cuts: Vec<Cut>,
    /// A cutoff that is forgotten: what it covers is recorded as ended by this.
    pub spent: Option<Scope>,
    /// Events, in order.
    pub events: Vec<Event>,
    /// How many sessions of this user were born under a limit: must still be the number, and is one more afterwards.
    pub births: Option<(Owner, u64)>,
    /// Answer to remember for an idempotency key, which must be unused.
    pub answer: Option<(IdempotencyKey, Answer)>,
    /// Whether this only ends sessions, or takes no room: then it must succeed even in a full store.
    pub is_ending: bool,
    /// Whether this follows a look at the sessions that are written: the next look is at their deadline then. Otherwise one that is
    /// armed earlier stays, and the look itself finds out.
    pub is_look: bool,
    /// Whether somebody is told that it is done and relies on it: then copies must have it too, where the deployment says so.
    pub is_assured: bool,
}

/// A write to one scope's cutoff.
#[derive(Clone, Debug)]
pub struct Cut {
    /// The scope.
    pub scope: Scope,
    /// How what it covers ends.
    pub end: End,
    /// Whether nothing more is created in it.
    pub is_closed: bool,
    /// Where it happens.
    pub place: CutPlace,
    /// The scope's mass revocations before it.
    pub earlier: Vec<(Revision, End)>,
}

/// Where a cutoff happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutPlace {
    /// At the position of the commit, with or without an event of it.
    Here,
    /// Where it happened before: nothing more ends.
    Before,
}

impl Commit {
    /// An empty decision for `shard`.
    pub fn new(shard: Shard) -> Self {
        Self {
            shard,
            cutoffs: None,
            writes: Vec::new(),
            cuts: Vec::new(),
            spent: None,
            events: Vec::new(),
            births: None,
            answer: None,
            is_ending: false,
            is_look: false,
            is_assured: false,
        }
    }
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It is stored; the positions of its events.
    Done(Vec<Revision>),
    /// Something was no longer as it was read; nothing is stored.
    Conflict,
}

/// Key that makes a retry safe. It belongs to the user, or to the one session, that the request names: callers of other
/// users cannot collide with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key that a caller gave, within what it belongs to.
    pub fn within(scope: &impl std::fmt::Display, key: &str) -> Self {
        Self(format!("{scope}:{key}"))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What was answered to a request with an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// SHA-256 of the request, in hex.
    pub request: String,
    /// The sessions that it created or ended.
    pub sessions: Vec<String>,
    /// How many it ended.
    pub count: usize,
    /// Whether the one session had ended before.
    pub already_ended: bool,
    /// Whether it may have left some.
    #[serde(default)]
    pub is_incomplete: bool,
    /// Salt of the token that a creation was answered with: the session may have another one by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<[u8; 16]>,
    /// Position of the commit that it was stored with; the store knows it.
    #[serde(skip)]
    pub position: Revision,
}

/// A part of a list.
#[derive(Clone, Copy, Debug)]
pub struct ListQuery {
    /// Continue after this one: creation time and id.
    pub after: Option<(Timestamp, SessionId)>,
    /// Whether the newest come first.
    pub newest_first: bool,
    /// At most so many.
    pub limit: usize,
}

impl ListQuery {
    /// Says whether a session comes after the one that the query continues at.
    pub fn is_next(&self, place: (Timestamp, SessionId)) -> bool {
        self.after.is_none_or(|after| if self.newest_first { place < after } else { place > after })
    }
}

/// A look at a session that is due at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The session.
    pub session: SessionId,
    /// The moment.
    pub at: Timestamp,
}

/// Keeps sessions.
pub trait SessionStore: Send + Sync + 'static {
    /// Loads one session and the cutoffs of its shard, in one round trip where nothing changed.
    fn load(&self, id: SessionId) -> impl Future<Output = Result<Loaded, StoreError>> + Send;

    /// Loads the cutoffs of a shard.
    fn cutoffs(&self, shard: Shard) -> impl Future<Output = Result<Arc<Cutoffs>, StoreError>> + Send;

    /// Loads a part of the sessions of a user or a tenant in a shard, by creation and id, alive or ended. Fewer than the
    /// limit means the end.
    fn list(
        &self,
        shard: Shard,
        whose: &Whose,
        query: ListQuery,
    ) -> impl Future<Output = Result<Vec<Read>, StoreError>> + Send;

    /// Counts the sessions of a tenant, or of one application of it, in a shard whose end is not recorded.
    fn live(
        &self,
        shard: Shard,
        tenant: &TenantId,
        application: Option<&ApplicationId>,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Returns how many sessions of a user were born under a limit lately; see [`Commit::births`].
    fn births(&self, shard: Shard, owner: &Owner) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Stores a decision, if its guards hold.
    fn commit(&self, commit: Commit) -> impl Future<Output = Result<Committed, StoreError>> + Send;

    /// Returns what was answered under `key`.
    fn answer(
        &self,
        shard: Shard,
        key: &IdempotencyKey,
    ) -> impl Future<Output = Result<Option<Answer>, StoreError>> + Send;

    /// Waits until copies have what is stored in a shard, as for a commit that is assured.
    fn assure(&self, shard: Shard) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Number of shards.
    fn shards(&self) -> u16;

    /// Looks whether the store is as it was left; says whether this replica can serve. To be done every second.
    fn probe(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Work that happens by itself: time runs out, cutoffs are cleaned up, events leave.
pub trait Chores: SessionStore {
    /// Takes or keeps the leases of shards for `owner`; returns the shards that it holds now.
    fn lease(&self, owner: &str, length: Duration) -> impl Future<Output = Result<Vec<Shard>, StoreError>> + Send;

    /// Looks that are due. Every session has one: a living one no later than its deadline, an ended one when it may be forgotten.
    /// Commits move them; see [`Commit::is_look`].
    fn due(
        &self,
        shard: Shard,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Look>, StoreError>> + Send;

    /// Removes a look that finds nothing to do, if it is still there.
    fn remove_look(&self, look: Look) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Cutoffs whose sessions are not all recorded as ended.
    fn unfinished(&self, shard: Shard) -> impl Future<Output = Result<Vec<Scope>, StoreError>> + Send;

    /// Notes that the sessions of a scope are all recorded as ended, up to a cutoff.
    fn finished(
        &self,
        shard: Shard,
        scope: &Scope,
        upto: Revision,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Forgets cutoffs that cover nothing any more.
    fn forget_cutoffs(&self, shard: Shard, before: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Events that wait to be published.
pub trait Outbox: Send + Sync + 'static {
    /// Returns at most `limit` events that come after these positions, in order within each shard. Where there are more, shards
    /// have equal shares: none gets more of them while another one that has as many gets less. Waits up to `wait` for one,
    /// and no longer than half a second.
    fn take(
        &self,
        after: &[(Shard, Revision)],
        limit: usize,
        wait: Duration,
    ) -> impl Future<Output = Result<Vec<(Shard, Revision, Message)>, StoreError>> + Send;

    /// Removes events.
    fn remove(&self, events: &[(Shard, Revision)]) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What became of a policy that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is stored, as this version.
    Stored(u64),
    /// The one before it was not the one that was expected.
    Conflict,
    /// There are [`POLICIES_MAX`](crate::domain::policy::POLICIES_MAX) already.
    TooMany,
}

/// Keeps policies. They are stored once for all shards, and then announced to each: from then on no commit there succeeds
/// that was decided without them, and whoever reads sessions there has them.
pub trait PolicyStore: SessionStore {
    /// Loads all policies.
    fn policies(&self) -> impl Future<Output = Result<Arc<PolicySet>, StoreError>> + Send;

    /// Stores a policy, if the one before it has the version `before`; 0: there is none.
    fn put_policy(&self, policy: &StoredPolicy, before: u64) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// Puts a policy in force in a shard.
    fn announce(
        &self,
        shard: Shard,
        scope: &PolicyScope,
        version: u64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Policies that may not be announced to every shard.
    fn unannounced(&self) -> impl Future<Output = Result<Vec<(PolicyScope, u64)>, StoreError>> + Send;

    /// Notes that a version of a policy is announced to every shard.
    fn announced(&self, scope: &PolicyScope, version: u64) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Policies for which the deadlines in a shard were not looked through yet.
    fn unsettled(&self, shard: Shard) -> impl Future<Output = Result<Vec<(PolicyScope, u64)>, StoreError>> + Send;

    /// Notes that the deadlines in a shard were looked through for a version of a policy.
    fn settled(
        &self,
        shard: Shard,
        scope: &PolicyScope,
        version: u64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
