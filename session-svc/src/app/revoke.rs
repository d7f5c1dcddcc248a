//! Ends one session, and what was opened under it.

use svc_kit::access::Caller;

use super::{DECISIONS_MAX, RequestHash, Sessions, scope::Change, validate::Presented};
use crate::{
    domain::{
        cutoff::{Cutoffs, Scope},
        end::{End, EndReason},
        id::{SessionId, Whose},
        session::{Kind, Life, Stored},
    },
    error::SessionError,
    ports::{Commit, Committed, IdempotencyKey, ListQuery, Read, SessionStore, Write},
};

/// How often an ending is overtaken before the session is cut off. Of two that store at the same time one loses, so whoever
/// refreshes without pause could keep an end away for ever; no refresh overtakes a cutoff, and none is possible after it.
const OVERTAKEN_MAX: usize = 8;
/// How many of the user's sessions are read at a time to find the children.
const CHILDREN_CHUNK: usize = 500;

/// What to end.
#[derive(Clone, Debug)]
pub struct RevokeSession {
    /// The session.
    pub presented: Presented,
    /// Why.
    pub reason: EndReason,
    /// Free text.
    pub comment: String,
    /// Makes a retry safe.
    pub idempotency: Option<(IdempotencyKey, RequestHash)>,
}

/// What a revocation came to.
pub struct Revoked {
    /// The session as it ended.
    pub stored: Stored,
    /// Whether it had ended before.
    pub already_ended: bool,
}

impl<S: SessionStore> Sessions<S> {
    /// Ends a session. When this returns, no validation that starts later says "alive".
    ///
    /// # Errors
    /// [`SessionError::SessionNotFound`], [`SessionError::IdempotencyKeyReused`], or a failure of the store.
    pub async fn revoke(&self, caller: &Caller, command: &RevokeSession) -> Result<Revoked, SessionError> {
        let (id, token) = match &command.presented {
            Presented::Nonsense => return Err(SessionError::SessionNotFound),
            Presented::Id(id) => (*id, None),
            Presented::Token(token) => (token.session, Some(token)),
        };
        let mut cut: Option<End> = None;
        for round in 1..=DECISIONS_MAX {
            let (read, cutoffs) = self.find(caller, id).await?;
            let is_genuine = |read: &Read| token.is_none_or(|token| self.keys.is_genuine(token, &read.stored.session));
            let read = read.filter(is_genuine).ok_or(SessionError::SessionNotFound)?;
            if let Some(answer) = self.answered(id.shard(), command.idempotency.as_ref()).await? {
                return Ok(Revoked { stored: read.stored, already_ended: answer.already_ended });
            }
            let now = self.clock.now();
            let asked =
                End { at: now, reason: command.reason, comment: command.comment.clone(), by: caller.subject.clone() };
            let (mut commit, stored, already_ended) = match read.stored.life(now, &cutoffs) {
                Life::Ended(end) => (Commit::new(id.shard()), read.stored.clone(), cut != Some(end)),
                // Over already, by time or by a cutoff: recorded as what it was.
                Life::Lapsed(end) => {
                    let already_ended = cut.as_ref() != Some(&end);
                    self.ending(&read, &cutoffs, end, None).await?.with(already_ended)
                }
                Life::Alive => self.ending(&read, &cutoffs, asked.clone(), None).await?.with(false),
            };
            commit.is_ending = true;
            commit.is_assured = true;
            commit.answer = command.idempotency.as_ref().map(|(key, request)| {
                let mut answer = request.answer();
                answer.sessions.push(id.to_string());
                answer.already_ended = already_ended;
                (key.clone(), answer)
            });
            if commit.writes.is_empty() && commit.answer.is_none() {
                // It may be asked for again because no copy had it.
                self.store.assure(id.shard()).await?;
                return Ok(Revoked { stored, already_ended });
            }
            if matches!(self.store.commit(commit).await?, Committed::Done(_)) {
                return Ok(Revoked { stored, already_ended });
            }
            if round == OVERTAKEN_MAX {
                self.change_shard(id.shard(), &[Scope::of(&read.stored.session)], &Change::Cut { end: &asked }).await?;
                cut = Some(asked);
            }
        }
        Err(SessionError::Contention)
    }

    /// Decides the end of a session and of its children but one.
    async fn ending(
        &self,
        read: &Read,
        cutoffs: &Cutoffs,
        end: End,
        except: Option<SessionId>,
    ) -> Result<Ending, SessionError> {
        let mut commit = Commit::new(read.stored.session.id.shard());
        commit.cutoffs = Some(cutoffs.version);
        commit.spent = cutoffs.of(&read.stored.session);
        commit.is_ending = true;
        let (next, event) = read.stored.ended(end.clone());
        commit.events.push(event);
        commit.writes.push(Write { before: Some(read.snapshot.clone()), after: next.clone(), is_forgotten: false });
        if next.session.kind == Kind::Sso {
            self.end_children(&mut commit, read, cutoffs, &end, except).await?;
        }
        Ok(Ending { commit, stored: next })
    }

    /// Adds the end of an SSO session's children to the commit that ends it. A child that is born after they are listed
    /// is counted in the parent's record, which this commit must find as it was read.
    pub(super) async fn end_children(
        &self,
        commit: &mut Commit,
        parent: &Read,
        cutoffs: &Cutoffs,
        end: &End,
        except: Option<SessionId>,
    ) -> Result<(), SessionError> {
        let children = self.children(&parent.stored, cutoffs).await?;
        for child in children.into_iter().filter(|child| Some(child.stored.session.id) != except) {
            let (ended, event) = child.stored.ended(End { reason: EndReason::ParentEnded, ..end.clone() });
            commit.events.push(event);
            commit.writes.push(Write { before: Some(child.snapshot), after: ended, is_forgotten: false });
        }
        Ok(())
    }

    /// The living children of an SSO session that end with it.
    async fn children(&self, parent: &Stored, cutoffs: &Cutoffs) -> Result<Vec<Read>, SessionError> {
        let (now, mut after, mut children) = (self.clock.now(), None, Vec::new());
        let whose = Whose::Owner(parent.session.owner.clone());
        loop {
            let query = ListQuery { after, newest_first: true, limit: CHILDREN_CHUNK };
            let chunk = self.store.list(parent.session.id.shard(), &whose, query).await?;
            let is_last = chunk.len() < CHILDREN_CHUNK;
            after = chunk.last().map(|read| (read.stored.session.created_at, read.stored.session.id));
            // Children are younger than their parent.
            let is_past = after.is_some_and(|(created_at, _)| created_at < parent.session.created_at);
            children.extend(chunk.into_iter().filter_map(|mut read| {
                self.rule(&mut read, cutoffs);
                let session = &read.stored.session;
                let ends = session.parent == Some(parent.session.id)
                    && !session.survives_parent
                    && read.stored.life(now, cutoffs) == Life::Alive;
                ends.then_some(read)
            }));
            if is_last || is_past {
                return Ok(children);
            }
        }
    }

    /// Ends a session that is known to be over or chosen for ending, and its children but one; `None` when it changed
    /// meanwhile.
    pub(super) async fn end_now(
        &self,
        id: SessionId,
        asked: Option<&End>,
        except: Option<SessionId>,
    ) -> Result<Option<Stored>, SessionError> {
        let (read, cutoffs) = self.load(id).await?;
        let Some(read) = read else { return Ok(None) };
        let end = match (read.stored.life(self.clock.now(), &cutoffs), asked) {
            (Life::Lapsed(end), _) => end,
            (Life::Alive, Some(end)) => end.clone(),
            (Life::Alive, None) | (Life::Ended(_), _) => return Ok(None),
        };
        let Ending { commit, stored } = self.ending(&read, &cutoffs, end, except).await?;
        Ok((self.store.commit(commit).await? != Committed::Conflict).then_some(stored))
    }
}

struct Ending {
    commit: Commit,
    stored: Stored,
}

impl Ending {
    fn with(self, already_ended: bool) -> (Commit, Stored, bool) {
        (self.commit, self.stored, already_ended)
    }
}
