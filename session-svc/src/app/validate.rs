//! Says whether a session is alive. The hot path: one round trip, and a second only when activity is recorded.

use std::sync::Arc;

use svc_kit::access::Caller;

use super::Sessions;
use crate::{
    domain::{
        cutoff::Cutoffs,
        end::EndReason,
        id::SessionId,
        session::{Kind, Life, Session},
        token::PresentedToken,
    },
    error::SessionError,
    ports::{Commit, Read, SessionStore, Write},
};

/// What was presented.
#[derive(Clone, Debug)]
pub enum Presented {
    /// A token.
    Token(PresentedToken),
    /// A text that cannot be a token of ours.
    Nonsense,
    /// An id.
    Id(SessionId),
}

/// What to check.
#[derive(Clone, Debug)]
pub struct ValidateSession {
    /// What was presented.
    pub presented: Presented,
    /// Whether the user did something.
    pub is_interactive: bool,
    /// Where from.
    pub ip_address: String,
}

/// Whether a session is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Alive.
    Active(Arc<Session>, String),
    /// No such session for this caller.
    NotFound,
    /// Over.
    Ended(Arc<Session>, String, EndReason),
    /// Alive, but this token of it is spent.
    TokenSpent(Arc<Session>, String),
}

impl<S: SessionStore> Sessions<S> {
    /// Checks a session.
    ///
    /// # Errors
    /// Only failures of the store; everything else is an answer.
    pub async fn validate(&self, caller: &Caller, command: &ValidateSession) -> Result<Verdict, SessionError> {
        let (id, token) = match &command.presented {
            Presented::Nonsense => return Ok(Verdict::NotFound),
            Presented::Id(id) => (*id, None),
            Presented::Token(token) => (token.session, Some(token)),
        };
        let (read, cutoffs) = self.find(caller, id).await?;
        let Some(read) = read else { return Ok(Verdict::NotFound) };
        let stored = &read.stored;
        if token.is_some_and(|token| !self.keys.is_genuine(token, &stored.session)) {
            return Ok(Verdict::NotFound);
        }
        // A participant is a record of somebody else's session: nobody knows here whether that one lives.
        if stored.session.kind == Kind::Participant {
            return Ok(Verdict::NotFound);
        }
        let now = self.clock.now();
        let version = stored.version();
        if let Life::Ended(end) | Life::Lapsed(end) = stored.life(now, &cutoffs) {
            let reason = end.reason;
            let mut stored = read.stored;
            stored.session_mut().end = Some(end);
            return Ok(Verdict::Ended(stored.session, version, reason));
        }
        if token.is_some_and(|token| token.generation != stored.session.token.generation) {
            return Ok(Verdict::TokenSpent(read.stored.session, version));
        }
        let session = self.note_use(read, &cutoffs, token, command).await?;
        Ok(Verdict::Active(session, version))
    }

    /// Records activity and the proof that the current token arrived. Best effort: a conflict means that somebody else
    /// changed the session this very moment, and the answer stands for the moment of the read.
    async fn note_use(
        &self,
        read: Read,
        cutoffs: &Cutoffs,
        token: Option<&PresentedToken>,
        command: &ValidateSession,
    ) -> Result<Arc<Session>, SessionError> {
        let Read { stored: mut after, snapshot } = read;
        let is_touched = command.is_interactive && self.touch_now(after.session_mut(), cutoffs, &command.ip_address);
        let is_confirmed = token.is_some_and(|token| after.confirm(token.generation));
        if is_touched || is_confirmed {
            let mut commit = Commit::new(after.session.id.shard());
            commit.cutoffs = Some(cutoffs.version);
            commit.writes.push(Write { before: Some(snapshot), after: after.clone(), is_forgotten: false });
            // Rare, and large: a validation that stores nothing must not carry it along.
            Box::pin(self.store.commit(commit)).await?;
        }
        Ok(after.session)
    }
}
