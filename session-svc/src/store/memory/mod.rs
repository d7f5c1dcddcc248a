//! Sessions in memory: for development, for tests, and the reference for what the port means.

mod outbox;
mod policies;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use svc_kit::{
    bus::{Message, routing_key},
    clock::{Clock, Timestamp},
    telemetry::TraceContext,
};
use tokio::sync::Notify;

use crate::{
    contract::event,
    domain::{
        cutoff::{Cutoff, Cutoffs, Scope},
        id::{ApplicationId, Owner, SessionId, Shard, TenantId, Whose},
        revision::Revision,
        session::Stored,
    },
    ports::{
        Answer, Chores, Commit, Committed, Cut, CutPlace, IdempotencyKey, ListQuery, Loaded, Look, Read, SessionStore,
        Snapshot, StoreError,
    },
};

/// Sessions in memory.
pub struct MemoryStore {
    state: Mutex<State>,
    arrived: Notify,
    deployment: String,
    shards: u16,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    sessions: HashMap<SessionId, (Stored, u64)>,
    by_owner: HashMap<Owner, BTreeSet<(Timestamp, SessionId)>>,
    by_tenant: HashMap<(Shard, TenantId), BTreeSet<(Timestamp, SessionId)>>,
    looks: HashMap<SessionId, Timestamp>,
    cutoffs: HashMap<Shard, Arc<Cutoffs>>,
    unfinished: HashMap<Shard, Vec<Scope>>,
    answers: HashMap<(Shard, IdempotencyKey), Answer>,
    births: HashMap<Owner, u64>,
    outbox: HashMap<Shard, VecDeque<(Revision, Message)>>,
    last: Revision,
    writes: u64,
    policies: policies::Policies,
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new(deployment: &str, shards: u16, clock: Arc<dyn Clock>) -> Self {
        let deployment = deployment.to_owned();
        Self { state: Mutex::default(), arrived: Notify::new(), deployment, shards, clock }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next position: the clock's, but never one that was given before.
    fn next_revision(&self, state: &mut State) -> Revision {
        let ms = u64::try_from(self.clock.now().as_ms()).unwrap_or(0);
        let last = state.last;
        state.last =
            if ms > last.ms { Revision { ms, number: 0 } } else { Revision { ms: last.ms, number: last.number + 1 } };
        state.last
    }

    fn write_events(&self, state: &mut State, commit: &Commit) -> Vec<Revision> {
        let trace = TraceContext::current();
        let mut revisions = Vec::with_capacity(commit.events.len());
        for what in &commit.events {
            let revision = self.next_revision(state);
            let id = event::id(&self.deployment, commit.shard, revision);
            let message = Message {
                body: event::with_id(&event::encode(what), &id),
                routing_key: routing_key(commit.shard.0, event::type_of(what)),
                id,
                trace: trace.clone(),
            };
            state.outbox.entry(commit.shard).or_default().push_back((revision, message));
            revisions.push(revision);
        }
        revisions
    }
}

impl State {
    fn read(&self, id: SessionId) -> Option<Read> {
        let (stored, version) = self.sessions.get(&id)?;
        Some(Read { stored: stored.clone(), snapshot: snapshot(*version) })
    }

    fn cutoffs(&self, shard: Shard) -> Arc<Cutoffs> {
        self.cutoffs.get(&shard).cloned().unwrap_or_default()
    }

    fn holds(&self, commit: &Commit) -> bool {
        let form = |id: &SessionId| self.sessions.get(id).map(|(_, version)| snapshot(*version));
        commit.cutoffs.is_none_or(|version| version == self.cutoffs(commit.shard).version)
            && commit.writes.iter().all(|write| form(&write.after.session.id) == write.before)
            && commit.births.as_ref().is_none_or(|(owner, births)| self.births_of(owner) == *births)
            && commit.answer.as_ref().is_none_or(|(key, _)| !self.answers.contains_key(&(commit.shard, key.clone())))
    }

    fn births_of(&self, owner: &Owner) -> u64 {
        self.births.get(owner).copied().unwrap_or(0)
    }

    fn write(&mut self, mut after: Stored, is_forgotten: bool, is_look: bool) {
        let (id, owner) = (after.session.id, after.session.owner.clone());
        let member = (after.session.created_at, id);
        if is_forgotten {
            self.sessions.remove(&id);
            self.looks.remove(&id);
            let tenant = (id.shard(), owner.tenant.clone());
            for members in [self.by_owner.get_mut(&owner), self.by_tenant.get_mut(&tenant)].into_iter().flatten() {
                members.remove(&member);
            }
            return;
        }
        let look = if after.session.end.is_some() { after.session.forgotten_at() } else { after.session.deadline() };
        if let Some((before, _)) = self.sessions.get(&id) {
            after.created = before.created;
        }
        // A look that is armed earlier stays; the sweeper arms the next one.
        let armed = self.looks.entry(id).or_insert(look);
        *armed = if is_look || after.session.end.is_some() { look } else { look.min(*armed) };
        self.by_tenant.entry((id.shard(), owner.tenant.clone())).or_default().insert(member);
        self.by_owner.entry(owner).or_default().insert(member);
        self.writes += 1;
        self.sessions.insert(id, (after, self.writes));
    }
}

fn snapshot(version: u64) -> Snapshot {
    Snapshot(version.to_be_bytes().to_vec().into())
}

impl SessionStore for MemoryStore {
    async fn load(&self, id: SessionId) -> Result<Loaded, StoreError> {
        let state = self.lock();
        Ok(Loaded { read: state.read(id), cutoffs: state.cutoffs(id.shard()) })
    }

    async fn cutoffs(&self, shard: Shard) -> Result<Arc<Cutoffs>, StoreError> {
        Ok(self.lock().cutoffs(shard))
    }

    async fn list(&self, shard: Shard, whose: &Whose, query: ListQuery) -> Result<Vec<Read>, StoreError> {
        let state = self.lock();
        let members = match whose {
            Whose::Owner(owner) => state.by_owner.get(owner),
            Whose::Tenant(tenant) => state.by_tenant.get(&(shard, tenant.clone())),
        };
        let Some(members) = members else { return Ok(Vec::new()) };
        let next = |member: &&(Timestamp, SessionId)| query.is_next(**member);
        let ids: Vec<SessionId> = match query.newest_first {
            true => members.iter().rev().filter(next).take(query.limit).map(|(_, id)| *id).collect(),
            false => members.iter().filter(next).take(query.limit).map(|(_, id)| *id).collect(),
        };
        Ok(ids.into_iter().filter_map(|id| state.read(id)).collect())
    }

    async fn live(
        &self,
        shard: Shard,
        tenant: &TenantId,
        application: Option<&ApplicationId>,
    ) -> Result<u64, StoreError> {
        let state = self.lock();
        let members = state.by_tenant.get(&(shard, tenant.clone())).into_iter().flatten();
        let is_live = |id: &SessionId| {
            state.sessions.get(id).is_some_and(|(stored, _)| {
                let session = &stored.session;
                session.end.is_none() && (application.is_none() || application == session.application.as_ref())
            })
        };
        Ok(u64::try_from(members.filter(|(_, id)| is_live(id)).count()).unwrap_or(u64::MAX))
    }

    async fn births(&self, _shard: Shard, owner: &Owner) -> Result<u64, StoreError> {
        Ok(self.lock().births_of(owner))
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let mut state = self.lock();
        if !state.holds(&commit) {
            return Ok(Committed::Conflict);
        }
        let revisions = self.write_events(&mut state, &commit);
        let first = match revisions.first() {
            Some(first) => *first,
            None if commit.cuts.is_empty() => Revision::default(),
            None => self.next_revision(&mut state),
        };
        for write in commit.writes {
            let created = if write.before.is_none() { first } else { write.after.created };
            state.write(Stored { created, ..write.after }, write.is_forgotten, commit.is_look);
        }
        for Cut { scope, end, is_closed, place, earlier } in commit.cuts {
            let mut cutoffs = (*state.cutoffs(commit.shard)).clone();
            cutoffs.version += 1;
            let before = cutoffs.scopes.get(&scope).map(|cutoff| cutoff.revision).unwrap_or_default();
            let revision = if place == CutPlace::Here { first } else { before };
            cutoffs.scopes.insert(scope.clone(), Cutoff { revision, end, is_closed, earlier });
            state.cutoffs.insert(commit.shard, Arc::new(cutoffs));
            if place == CutPlace::Here {
                state.unfinished.entry(commit.shard).or_default().push(scope);
            }
        }
        if let Some(scope) = commit.spent {
            let mut cutoffs = (*state.cutoffs(commit.shard)).clone();
            cutoffs.scopes.remove(&scope);
            state.cutoffs.insert(commit.shard, Arc::new(cutoffs));
            state.unfinished.entry(commit.shard).or_default().retain(|other| *other != scope);
        }
        if let Some((owner, births)) = commit.births {
            state.births.insert(owner, births + 1);
        }
        if let Some((key, mut answer)) = commit.answer {
            answer.position = first;
            state.answers.insert((commit.shard, key), answer);
        }
        drop(state);
        self.arrived.notify_waiters();
        Ok(Committed::Done(revisions))
    }

    async fn answer(&self, shard: Shard, key: &IdempotencyKey) -> Result<Option<Answer>, StoreError> {
        Ok(self.lock().answers.get(&(shard, key.clone())).cloned())
    }

    async fn assure(&self, _shard: Shard) -> Result<(), StoreError> {
        Ok(())
    }

    fn shards(&self) -> u16 {
        self.shards
    }

    async fn probe(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Chores for MemoryStore {
    async fn lease(&self, _owner: &str, _length: Duration) -> Result<Vec<Shard>, StoreError> {
        Ok((0..self.shards).map(Shard).collect())
    }

    async fn due(&self, shard: Shard, now: Timestamp, limit: usize) -> Result<Vec<Look>, StoreError> {
        let state = self.lock();
        let due = state.looks.iter().filter(|(id, at)| id.shard() == shard && **at <= now);
        Ok(due.map(|(session, at)| Look { session: *session, at: *at }).take(limit).collect())
    }

    async fn remove_look(&self, look: Look) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.looks.get(&look.session) == Some(&look.at) {
            state.looks.remove(&look.session);
        }
        Ok(())
    }

    async fn unfinished(&self, shard: Shard) -> Result<Vec<Scope>, StoreError> {
        Ok(self.lock().unfinished.get(&shard).cloned().unwrap_or_default())
    }

    async fn finished(&self, shard: Shard, scope: &Scope, upto: Revision) -> Result<(), StoreError> {
        let mut state = self.lock();
        // A newer cutoff of the scope has work of its own.
        let is_latest = state.cutoffs(shard).scopes.get(scope).is_none_or(|cutoff| cutoff.revision <= upto);
        if let (true, Some(scopes)) = (is_latest, state.unfinished.get_mut(&shard)) {
            scopes.retain(|other| other != scope);
        }
        Ok(())
    }

    async fn forget_cutoffs(&self, shard: Shard, before: Timestamp) -> Result<(), StoreError> {
        let mut state = self.lock();
        let mut cutoffs = (*state.cutoffs(shard)).clone();
        let count = cutoffs.scopes.len();
        cutoffs.scopes.retain(|_, cutoff| cutoff.is_closed || cutoff.end.at >= before);
        if cutoffs.scopes.len() < count {
            cutoffs.version += 1;
            state.cutoffs.insert(shard, Arc::new(cutoffs));
        }
        Ok(())
    }
}
