//! Exchanges a token for its successor.

use secrecy::SecretString;
use svc_kit::access::Caller;

use super::{DECISIONS_MAX, Sessions};
use crate::{
    domain::{
        id::ApplicationId,
        refresh::{Decision, Origin},
        session::{Kind, Life, Stored},
        token::PresentedToken,
    },
    error::SessionError,
    ports::{Commit, Committed, Read, SessionStore, Write},
};

/// What to refresh.
#[derive(Clone, Debug)]
pub struct RefreshSession {
    /// The token presented.
    pub token: PresentedToken,
    /// Application that presents it, where that is known.
    pub application: Option<ApplicationId>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A refreshed session.
pub struct Refreshed {
    /// The session.
    pub stored: Stored,
    /// Its current token.
    pub token: SecretString,
    /// Whether this repeats an earlier answer.
    pub is_replay: bool,
}

impl<S: SessionStore> Sessions<S> {
    /// Refreshes a session.
    ///
    /// # Errors
    /// [`SessionError::TokenRefused`] whatever the cause, or a failure of the store.
    pub async fn refresh(&self, caller: &Caller, command: &RefreshSession) -> Result<Refreshed, SessionError> {
        for _ in 0..DECISIONS_MAX {
            let (read, cutoffs) = self.find(caller, command.token.session).await?;
            let read = read.filter(|read| self.may_refresh(read, command)).ok_or(SessionError::TokenRefused)?;
            let now = self.clock.now();
            if read.stored.life(now, &cutoffs) != Life::Alive {
                return Err(SessionError::TokenRefused);
            }
            let terms = self.refresh_terms(&read.stored.session, &cutoffs, now);
            let decision = read.stored.refresh(now, terms, command.token.generation, &command.origin);
            let mut commit = Commit::new(command.token.session.shard());
            commit.is_assured = true;
            commit.cutoffs = Some(cutoffs.version);
            let (next, outcome) = match decision {
                Decision::Impossible => {
                    tracing::error!(session.id = %command.token.session, "a genuine token is ahead of the store");
                    return Err(SessionError::TokenRefused);
                }
                Decision::Advance { next, event } => {
                    commit.events.push(event);
                    (next, Outcome::Advanced)
                }
                Decision::Replay { next } => (next, Outcome::Replayed),
                Decision::Reuse { next, events } => {
                    commit.events.extend(events);
                    commit.is_ending = true;
                    if let (Kind::Sso, Some(end)) = (next.session.kind, &next.session.end) {
                        self.end_children(&mut commit, &read, &cutoffs, end, None).await?;
                    }
                    (next, Outcome::Refused)
                }
            };
            commit.writes.push(Write { before: Some(read.snapshot), after: next.clone(), is_forgotten: false });
            if self.store.commit(commit).await? == Committed::Conflict {
                continue;
            }
            if outcome == Outcome::Refused {
                return Err(SessionError::TokenRefused);
            }
            let token = self.keys.token(&next.session, next.session.token.generation);
            return Ok(Refreshed { stored: next, token, is_replay: outcome == Outcome::Replayed });
        }
        Err(SessionError::Contention)
    }

    fn may_refresh(&self, read: &Read, command: &RefreshSession) -> bool {
        let session = &read.stored.session;
        let is_genuine = self.keys.is_genuine(&command.token, session);
        if !is_genuine {
            tracing::warn!(session.id = %session.id, "a token with a bad MAC was presented");
        }
        let is_theirs = command.application.is_none() || command.application == session.application;
        is_genuine && is_theirs && session.kind != Kind::Participant
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Advanced,
    Replayed,
    Refused,
}
