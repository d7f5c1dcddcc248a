//! Closes and opens scopes, and cuts them off.
//!
//! A scope (a tenant, a user, an application, or a user in an application) is cut off by one cutoff in each shard that it
//! has sessions in. Closing it cuts it off and keeps it that way: each creation is decided with the cutoffs in view and
//! committed only if they still are the ones, so of a creation and a closing one comes first and the other sees it.

use futures::future::try_join_all;
use svc_kit::access::Caller;

use super::{DECISIONS_MAX, RequestHash, Sessions};
use crate::{
    domain::{
        cutoff::{Cutoff, Scope},
        end::{End, EndReason},
        event::{Event, What},
        id::{Shard, Whose},
    },
    error::SessionError,
    ports::{Answer, Commit, Committed, Cut, CutPlace, IdempotencyKey, SessionStore},
};

/// What to close.
#[derive(Clone, Debug)]
pub struct CloseScope {
    /// The scope.
    pub scope: Scope,
    /// Why.
    pub reason: EndReason,
    /// Free text.
    pub comment: String,
    /// Makes a retry safe.
    pub idempotency: Option<(IdempotencyKey, RequestHash)>,
}

/// What to open again.
#[derive(Clone, Debug)]
pub struct OpenScope {
    /// The scope.
    pub scope: Scope,
    /// Makes a retry safe.
    pub idempotency: Option<(IdempotencyKey, RequestHash)>,
}

/// What closing came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Position of the cutoff, where it is told of.
    pub position: String,
    /// Whether it was closed before.
    pub was_closed: bool,
}

/// The change of scopes that is asked for.
pub(super) enum Change<'c> {
    Cut { end: &'c End },
    Close { end: &'c End },
    Open,
}

impl<S: SessionStore> Sessions<S> {
    /// Ends everything in a scope, and refuses to create sessions in it until it is opened again.
    ///
    /// # Errors
    /// [`SessionError::IdempotencyKeyReused`], or a failure of the store: then some shards may be closed already, and
    /// repeating finishes the work.
    pub async fn close_scope(&self, caller: &Caller, command: &CloseScope) -> Result<Closed, SessionError> {
        let end = End {
            at: self.clock.now(),
            reason: command.reason,
            comment: command.comment.clone(),
            by: caller.subject.clone(),
        };
        let scopes = [command.scope.clone()];
        let change = Change::Close { end: &end };
        let answer =
            self.change(&command.scope.whose(), &scopes, &change, command.idempotency.as_ref(), was_closed).await?;
        Ok(Closed { position: answer.position.to_string(), was_closed: answer.already_ended })
    }

    /// Opens a scope again; says whether it was closed. What ended stays ended.
    ///
    /// # Errors
    /// As for closing.
    pub async fn open_scope(&self, command: &OpenScope) -> Result<bool, SessionError> {
        let scopes = [command.scope.clone()];
        let answer = self
            .change(&command.scope.whose(), &scopes, &Change::Open, command.idempotency.as_ref(), was_closed)
            .await?;
        Ok(answer.already_ended)
    }

    /// Returns the closing of a scope, if it is closed.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn scope(&self, scope: &Scope) -> Result<Option<Cutoff>, SessionError> {
        let cutoffs = self.store.cutoffs(scope.whose().home(self.store.shards())).await?;
        Ok(cutoffs.scopes.get(scope).filter(|cutoff| cutoff.is_closed).cloned())
    }

    /// Changes scopes of a user or a tenant in every shard that they have sessions in. The shard that tells of
    /// it comes last: what it tells is true everywhere. `answer` makes the answer from whether the first was closed.
    pub(super) async fn change(
        &self,
        whose: &Whose,
        scopes: &[Scope],
        change: &Change<'_>,
        idempotency: Option<&(IdempotencyKey, RequestHash)>,
        answer: impl Fn(Answer, bool) -> Answer + Send + Sync,
    ) -> Result<Answer, SessionError> {
        let home = whose.home(self.store.shards());
        if let Some(answer) = self.answered(home, idempotency).await? {
            return Ok(answer);
        }
        let others = whose.shards(self.store.shards()).into_iter().filter(|shard| *shard != home);
        try_join_all(others.map(|shard| self.change_shard(shard, scopes, change))).await?;
        for _ in 0..DECISIONS_MAX {
            let (mut commit, was_closed) = self.changed(home, scopes, change).await?;
            commit.events.extend(scopes.iter().filter_map(|scope| told(scope, change)));
            let request = idempotency.map(|(_, request)| request.clone()).unwrap_or_default();
            let answer = answer(request.answer(), was_closed);
            commit.answer = idempotency.map(|(key, _)| (key.clone(), answer.clone()));
            if commit.cuts.is_empty() && commit.answer.is_none() {
                return Ok(answer);
            }
            if let Committed::Done(revisions) = self.store.commit(commit).await? {
                return Ok(Answer { position: revisions.first().copied().unwrap_or_default(), ..answer });
            }
            // The same request was faster elsewhere, or a cutoff came in between.
            if let Some(answer) = self.answered(home, idempotency).await? {
                return Ok(answer);
            }
        }
        Err(SessionError::Contention)
    }

    /// Changes scopes in one shard, without telling of it.
    pub(super) async fn change_shard(
        &self,
        shard: Shard,
        scopes: &[Scope],
        change: &Change<'_>,
    ) -> Result<(), SessionError> {
        for _ in 0..DECISIONS_MAX {
            let (commit, _) = self.changed(shard, scopes, change).await?;
            if commit.cuts.is_empty() || self.store.commit(commit).await? != Committed::Conflict {
                return Ok(());
            }
        }
        Err(SessionError::Contention)
    }

    /// Decides the change in one shard; says whether the first scope is closed now.
    async fn changed(
        &self,
        shard: Shard,
        scopes: &[Scope],
        change: &Change<'_>,
    ) -> Result<(Commit, bool), SessionError> {
        let cutoffs = self.store.cutoffs(shard).await?;
        let mut commit = Commit::new(shard);
        commit.is_ending = true;
        commit.is_assured = true;
        commit.cutoffs = Some(cutoffs.version);
        commit.cuts.extend(scopes.iter().filter_map(|scope| {
            let before = cutoffs.scopes.get(scope);
            let (end, is_closed, place) = match change {
                // Cutting off a closed scope does not open it.
                Change::Cut { end } => ((*end).clone(), cutoffs.is_closed(scope), CutPlace::Here),
                Change::Close { end } => ((*end).clone(), true, CutPlace::Here),
                Change::Open => (before.filter(|cutoff| cutoff.is_closed)?.end.clone(), false, CutPlace::Before),
            };
            let earlier = before.map(|before| match place {
                CutPlace::Here => before.remembered(),
                CutPlace::Before => before.earlier.clone(),
            });
            Some(Cut { scope: scope.clone(), end, is_closed, place, earlier: earlier.unwrap_or_default() })
        }));
        Ok((commit, scopes.first().is_some_and(|scope| cutoffs.is_closed(scope))))
    }
}

/// The event of a change, if it ends something.
fn told(scope: &Scope, change: &Change<'_>) -> Option<Event> {
    let (Change::Cut { end } | Change::Close { end }) = *change else { return None };
    let what = What::Cutoff { scope: scope.clone(), end: end.clone() };
    Some(Event { at: end.at, sequence: 0, actor: end.by.clone(), what })
}

fn was_closed(answer: Answer, was_closed: bool) -> Answer {
    Answer { already_ended: was_closed, ..answer }
}
