//! Stores that are broken on purpose: what checks histories must find each of them out.

use std::{sync::Arc, time::Duration};

use session_svc::{
    domain::{
        cutoff::{Cutoffs, Scope},
        id::{ApplicationId, Owner, SessionId, Shard, TenantId, Whose},
        policy::{PolicyScope, PolicySet, StoredPolicy},
        revision::Revision,
    },
    ports::{
        Answer, Chores, Commit, Committed, IdempotencyKey, ListQuery, Loaded, Look, Outbox, PolicyStore, Put, Read,
        SessionStore, StoreError, Write,
    },
};
use svc_kit::{bus::Message, clock::Timestamp};

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Commits are stored whatever happened since their session was read.
    NoGuard,
    /// Cutoffs are not seen.
    NoCutoffs,
    /// Policies are not seen.
    NoPolicies,
    /// The end of a session is told of and not stored.
    NoEnd,
    /// The last event of a change is lost.
    NoEvent,
    /// An event is told twice.
    TwoEvents,
    /// A rotation goes two steps.
    TwoSteps,
    /// The index does not know the newest session.
    NoIndex,
    /// A session lives a millisecond longer than it may.
    Leeway,
    /// Answers to idempotency keys are forgotten.
    NoAnswers,
    /// None, but somebody uses a session just before each attempt to store its end, for as long as it is alive.
    Overtaken,
}

/// A store with a fault.
pub struct Mutant<S> {
    pub inner: S,
    pub fault: Fault,
}

impl<S: SessionStore> Mutant<S> {
    fn seen(&self, cutoffs: Arc<Cutoffs>) -> Arc<Cutoffs> {
        match self.fault {
            // The version stays, or every commit would be refused.
            Fault::NoCutoffs => Arc::new(Cutoffs { scopes: Default::default(), ..(*cutoffs).clone() }),
            Fault::NoPolicies => Arc::new(Cutoffs { policies: Arc::default(), ..(*cutoffs).clone() }),
            _ => cutoffs,
        }
    }

    fn read(&self, mut read: Read) -> Read {
        if self.fault == Fault::Leeway {
            let times = &mut read.stored.session_mut().times;
            times.idle_timeout += Duration::from_millis(1);
            times.absolute_lifetime += Duration::from_millis(1);
        }
        read
    }

    async fn changed(&self, mut commit: Commit) -> Result<Commit, StoreError> {
        match self.fault {
            Fault::NoGuard => {
                commit.cutoffs = None;
                for write in commit.writes.iter_mut().filter(|write| write.before.is_some()) {
                    let current = self.inner.load(write.after.session.id).await?.read;
                    write.before = current.map(|read| read.snapshot);
                }
            }
            Fault::NoEnd => commit.writes.iter_mut().for_each(|write| write.after.session_mut().end = None),
            // Creations keep theirs: their record begins with its position.
            Fault::NoEvent if commit.writes.iter().all(|write| write.before.is_some()) => drop(commit.events.pop()),
            Fault::TwoEvents => commit.events.extend(commit.events.last().cloned()),
            Fault::TwoSteps => {
                let rotated = commit.writes.iter_mut().filter(|write| write.after.session.token.generation > 1);
                rotated.for_each(|write| write.after.session_mut().token.generation += 1);
            }
            Fault::NoAnswers => commit.answer = None,
            Fault::Overtaken => {
                for write in commit.writes.iter().filter(|write| write.after.session.end.is_some()) {
                    self.overtake(write.after.session.id).await?;
                }
            }
            Fault::None | Fault::NoEvent | Fault::NoCutoffs | Fault::NoPolicies | Fault::NoIndex | Fault::Leeway => {}
        }
        Ok(commit)
    }

    async fn overtake(&self, id: SessionId) -> Result<(), StoreError> {
        let loaded = self.inner.load(id).await?;
        let is_alive =
            |read: &Read| read.stored.session.end.is_none() && loaded.cutoffs.covering(&read.stored).is_none();
        if let Some(read) = loaded.read.filter(is_alive) {
            let mut commit = Commit::new(id.shard());
            commit.cutoffs = Some(loaded.cutoffs.version);
            let mut after = read.stored;
            after.session_mut().token.replays += 1;
            commit.writes.push(Write { before: Some(read.snapshot), after, is_forgotten: false });
            self.inner.commit(commit).await?;
        }
        Ok(())
    }
}

impl<S: SessionStore> SessionStore for Mutant<S> {
    async fn load(&self, id: SessionId) -> Result<Loaded, StoreError> {
        let loaded = self.inner.load(id).await?;
        Ok(Loaded { read: loaded.read.map(|read| self.read(read)), cutoffs: self.seen(loaded.cutoffs) })
    }

    async fn cutoffs(&self, shard: Shard) -> Result<Arc<Cutoffs>, StoreError> {
        Ok(self.seen(self.inner.cutoffs(shard).await?))
    }

    async fn list(&self, shard: Shard, whose: &Whose, query: ListQuery) -> Result<Vec<Read>, StoreError> {
        let mut reads = self.inner.list(shard, whose, query).await?;
        if self.fault == Fault::NoIndex && query.newest_first && query.after.is_none() && !reads.is_empty() {
            reads.remove(0);
        }
        Ok(reads.into_iter().map(|read| self.read(read)).collect())
    }

    async fn live(
        &self,
        shard: Shard,
        tenant: &TenantId,
        application: Option<&ApplicationId>,
    ) -> Result<u64, StoreError> {
        self.inner.live(shard, tenant, application).await
    }

    async fn births(&self, shard: Shard, owner: &Owner) -> Result<u64, StoreError> {
        self.inner.births(shard, owner).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        self.inner.commit(self.changed(commit).await?).await
    }

    async fn answer(&self, shard: Shard, key: &IdempotencyKey) -> Result<Option<Answer>, StoreError> {
        self.inner.answer(shard, key).await
    }

    async fn assure(&self, shard: Shard) -> Result<(), StoreError> {
        self.inner.assure(shard).await
    }

    fn shards(&self) -> u16 {
        self.inner.shards()
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.inner.probe().await
    }
}

impl<S: Chores> Chores for Mutant<S> {
    async fn lease(&self, owner: &str, length: Duration) -> Result<Vec<Shard>, StoreError> {
        self.inner.lease(owner, length).await
    }

    async fn due(&self, shard: Shard, now: Timestamp, limit: usize) -> Result<Vec<Look>, StoreError> {
        self.inner.due(shard, now, limit).await
    }

    async fn remove_look(&self, look: Look) -> Result<(), StoreError> {
        self.inner.remove_look(look).await
    }

    async fn unfinished(&self, shard: Shard) -> Result<Vec<Scope>, StoreError> {
        self.inner.unfinished(shard).await
    }

    async fn finished(&self, shard: Shard, scope: &Scope, upto: Revision) -> Result<(), StoreError> {
        self.inner.finished(shard, scope, upto).await
    }

    async fn forget_cutoffs(&self, shard: Shard, before: Timestamp) -> Result<(), StoreError> {
        self.inner.forget_cutoffs(shard, before).await
    }
}

impl<S: Outbox> Outbox for Mutant<S> {
    async fn take(
        &self,
        after: &[(Shard, Revision)],
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<(Shard, Revision, Message)>, StoreError> {
        self.inner.take(after, limit, wait).await
    }

    async fn remove(&self, events: &[(Shard, Revision)]) -> Result<(), StoreError> {
        self.inner.remove(events).await
    }
}

impl<S: PolicyStore> PolicyStore for Mutant<S> {
    async fn policies(&self) -> Result<Arc<PolicySet>, StoreError> {
        self.inner.policies().await
    }

    async fn put_policy(&self, policy: &StoredPolicy, before: u64) -> Result<Put, StoreError> {
        self.inner.put_policy(policy, before).await
    }

    async fn announce(&self, shard: Shard, scope: &PolicyScope, version: u64) -> Result<(), StoreError> {
        self.inner.announce(shard, scope, version).await
    }

    async fn unannounced(&self) -> Result<Vec<(PolicyScope, u64)>, StoreError> {
        self.inner.unannounced().await
    }

    async fn announced(&self, scope: &PolicyScope, version: u64) -> Result<(), StoreError> {
        self.inner.announced(scope, version).await
    }

    async fn unsettled(&self, shard: Shard) -> Result<Vec<(PolicyScope, u64)>, StoreError> {
        self.inner.unsettled(shard).await
    }

    async fn settled(&self, shard: Shard, scope: &PolicyScope, version: u64) -> Result<(), StoreError> {
        self.inner.settled(shard, scope, version).await
    }
}
