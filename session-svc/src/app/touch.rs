//! Records that a session was used.

use svc_kit::access::Caller;

use super::{DECISIONS_MAX, Sessions, validate::Presented};
use crate::{
    domain::session::{Life, Stored},
    error::SessionError,
    ports::{Commit, Committed, SessionStore, Write},
};

/// What was used.
#[derive(Clone, Debug)]
pub struct TouchSession {
    /// The session.
    pub presented: Presented,
    /// Where from.
    pub ip_address: String,
}

impl<S: SessionStore> Sessions<S> {
    /// Records a use of a living session. Unlike the activity that a validation notes, it is recorded for sure.
    ///
    /// # Errors
    /// [`SessionError::SessionNotFound`], [`SessionError::SessionEnded`], or a failure of the store.
    pub async fn touch(&self, caller: &Caller, command: &TouchSession) -> Result<Stored, SessionError> {
        let (id, token) = match &command.presented {
            Presented::Nonsense => return Err(SessionError::SessionNotFound),
            Presented::Id(id) => (*id, None),
            Presented::Token(token) => (token.session, Some(token)),
        };
        for _ in 0..DECISIONS_MAX {
            let (read, cutoffs) = self.find(caller, id).await?;
            let read = read.ok_or(SessionError::SessionNotFound)?;
            // A spent token is no proof of a use; it reads like one that never was.
            let is_current = |token| {
                let session = &read.stored.session;
                self.keys.is_genuine(token, session) && token.generation == session.token.generation
            };
            if !token.is_none_or(is_current) {
                return Err(SessionError::SessionNotFound);
            }
            let now = self.clock.now();
            if read.stored.life(now, &cutoffs) != Life::Alive {
                return Err(SessionError::SessionEnded);
            }
            let mut after = read.stored;
            let is_touched = self.touch_now(after.session_mut(), &cutoffs, &command.ip_address);
            let is_confirmed = token.is_some_and(|token| after.confirm(token.generation));
            if !is_touched && !is_confirmed {
                return Ok(after);
            }
            let mut commit = Commit::new(id.shard());
            commit.cutoffs = Some(cutoffs.version);
            commit.writes.push(Write { before: Some(read.snapshot), after: after.clone(), is_forgotten: false });
            if self.store.commit(commit).await? != Committed::Conflict {
                return Ok(after);
            }
        }
        Err(SessionError::Contention)
    }
}
