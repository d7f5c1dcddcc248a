//! Ends all sessions that a filter chooses.
//!
//! Where the filter is a scope (a user, a tenant, either in some applications) one cutoff in each shard concerned ends
//! everything at once, and the clean-up records the single ends afterwards. Any other filter ends the sessions one by one
//! before it answers, at most [`ENDED_MAX`]; a session that is created meanwhile is not covered.

use futures::future::try_join_all;
use svc_kit::access::Caller;

use super::{DECISIONS_MAX, RequestHash, Sessions, scope::Change};
use crate::{
    domain::{
        cutoff::Scope,
        end::{End, EndReason},
        filter::{Filter, State},
        id::SessionId,
        revision::Revision,
    },
    error::SessionError,
    ports::{Answer, Commit, IdempotencyKey, SessionStore},
};

/// Most ids that an answer names.
pub const NAMED_MAX: usize = 1_000;
/// Most sessions that are looked at to name some of those that a cutoff ends. A cutoff must not wait until a million sessions are
/// looked at that have ended before.
const LOOKED_AT_MAX: usize = 10_000;
/// Most sessions that one call ends one by one.
pub const ENDED_MAX: usize = 10_000;
/// Sessions looked up at a time: what an answer names, and one more, which tells whether there are more. That is one read of
/// them where somebody waits for a mass revocation.
const PAGE: usize = NAMED_MAX + 1;

/// What to end.
#[derive(Clone, Debug)]
pub struct RevokeSessions {
    /// Which sessions; its states are ignored, because only what lives can end.
    pub filter: Filter,
    /// Only say what would end.
    pub is_dry_run: bool,
    /// Why.
    pub reason: EndReason,
    /// Free text.
    pub comment: String,
    /// Makes a retry safe.
    pub idempotency: Option<(IdempotencyKey, RequestHash)>,
}

/// What a mass revocation came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevokedMany {
    /// How many ended; a lower bound if more than are named.
    pub count: usize,
    /// Which, at most [`NAMED_MAX`].
    pub ids: Vec<String>,
    /// Position of the cutoff, if one did the work.
    pub cutoff: String,
    /// Whether more ended than are named, or may have.
    pub is_truncated: bool,
    /// Whether some that the filter chooses may be left.
    pub is_incomplete: bool,
}

impl<S: SessionStore> Sessions<S> {
    /// Ends all sessions that the filter chooses.
    ///
    /// # Errors
    /// [`SessionError::IdempotencyKeyReused`], or a failure of the store.
    pub async fn revoke_many(&self, caller: &Caller, command: &RevokeSessions) -> Result<RevokedMany, SessionError> {
        let home = command.filter.whose().home(self.store.shards());
        if let Some(answer) = self.answered(home, command.idempotency.as_ref()).await? {
            return Ok(from_answer(answer));
        }
        let end = End {
            at: self.clock.now(),
            reason: command.reason,
            comment: command.comment.clone(),
            by: caller.subject.clone(),
        };
        let filter = Filter { states: vec![State::Active], ..command.filter.clone() };
        if command.is_dry_run {
            return self.preview(&filter).await;
        }
        match command.filter.as_scopes() {
            Some(scopes) => self.cut_off(command, &filter, &scopes, &end).await,
            None => self.end_each(command, &filter, end).await,
        }
    }

    async fn cut_off(
        &self,
        command: &RevokeSessions,
        filter: &Filter,
        scopes: &[Scope],
        end: &End,
    ) -> Result<RevokedMany, SessionError> {
        // Named before the cut: afterwards nothing of it lives.
        let result = self.preview(filter).await?;
        let answer = |answer: Answer, _| to_answer(answer, &result);
        let change = Change::Cut { end };
        self.change(&filter.whose(), scopes, &change, command.idempotency.as_ref(), answer).await.map(from_answer)
    }

    async fn end_each(&self, command: &RevokeSessions, filter: &Filter, end: End) -> Result<RevokedMany, SessionError> {
        let (mut ended, mut is_incomplete) = (Vec::new(), true);
        for _ in 0..DECISIONS_MAX {
            let (chosen, _) = self.chosen(filter, ENDED_MAX - ended.len(), usize::MAX).await?;
            is_incomplete = !chosen.is_empty();
            for id in chosen {
                if self.end_now(id, Some(&end), filter.except).await?.is_some() {
                    ended.push(id);
                }
            }
            if !is_incomplete || ended.len() >= ENDED_MAX {
                break;
            }
        }
        // Once for all of them, and for those that an earlier call had ended when no copy took it.
        let shards = filter.whose().shards(self.store.shards());
        try_join_all(shards.into_iter().map(|shard| self.store.assure(shard))).await?;
        let result = RevokedMany { is_incomplete, ..named(ended) };
        if let Some((key, request)) = &command.idempotency {
            let mut commit = Commit::new(filter.whose().home(self.store.shards()));
            commit.is_ending = true;
            commit.answer = Some((key.clone(), to_answer(request.answer(), &result)));
            self.store.commit(commit).await?;
        }
        Ok(result)
    }

    /// What would end now, as far as it is named.
    async fn preview(&self, filter: &Filter) -> Result<RevokedMany, SessionError> {
        let (chosen, is_all) = self.chosen(filter, NAMED_MAX + 1, LOOKED_AT_MAX).await?;
        let result = named(chosen);
        Ok(RevokedMany { is_truncated: result.is_truncated || !is_all, ..result })
    }

    /// The living sessions that the filter chooses, newest first, at most `limit` of not many more than `among`; and whether
    /// these are all.
    async fn chosen(
        &self,
        filter: &Filter,
        limit: usize,
        among: usize,
    ) -> Result<(Vec<SessionId>, bool), SessionError> {
        let (mut ids, mut looked_at, mut after) = (Vec::new(), 0, None);
        loop {
            let page = self.list(filter, true, after, PAGE.min(limit - ids.len())).await?;
            ids.extend(page.sessions.iter().map(|stored| stored.session.id));
            looked_at += page.looked_at;
            after = page.next;
            if after.is_none() || ids.len() >= limit || looked_at >= among {
                return Ok((ids, after.is_none()));
            }
        }
    }
}

fn named(ids: Vec<SessionId>) -> RevokedMany {
    let is_truncated = ids.len() > NAMED_MAX;
    let count = ids.len();
    let ids = ids.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    RevokedMany { count, ids, is_truncated, ..RevokedMany::default() }
}

fn to_answer(answer: Answer, result: &RevokedMany) -> Answer {
    Answer {
        sessions: result.ids.clone(),
        count: result.count,
        already_ended: result.is_truncated,
        is_incomplete: result.is_incomplete,
        ..answer
    }
}

fn from_answer(answer: Answer) -> RevokedMany {
    // Answers of revocations one by one are stored without an event, and so without a position.
    let cutoff = if answer.position == Revision::default() { String::new() } else { answer.position.to_string() };
    RevokedMany {
        count: answer.count,
        ids: answer.sessions,
        cutoff,
        is_truncated: answer.already_ended,
        is_incomplete: answer.is_incomplete,
    }
}
