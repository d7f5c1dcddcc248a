//! Changes what callers say about a session.

use std::collections::BTreeMap;

use svc_kit::access::Caller;

use super::{DECISIONS_MAX, RequestHash, Sessions};
use crate::{
    domain::{
        attributes,
        id::SessionId,
        session::{Life, Stored},
    },
    error::SessionError,
    ports::{Commit, Committed, IdempotencyKey, SessionStore, Write},
};

/// What to change; `None` leaves it as it is.
#[derive(Clone, Debug)]
pub struct UpdateSession {
    /// The session.
    pub id: SessionId,
    /// Name of the device for people.
    pub device_name: Option<String>,
    /// The caller's own attributes, all of them.
    pub attributes: Option<BTreeMap<String, String>>,
    /// Makes a retry safe.
    pub idempotency: Option<(IdempotencyKey, RequestHash)>,
}

impl<S: SessionStore> Sessions<S> {
    /// Changes a living session. Moves no time and has no event.
    ///
    /// # Errors
    /// [`SessionError::SessionNotFound`], [`SessionError::SessionEnded`], [`SessionError::IdempotencyKeyReused`], or a
    /// failure of the store.
    pub async fn update(&self, caller: &Caller, command: &UpdateSession) -> Result<Stored, SessionError> {
        for _ in 0..DECISIONS_MAX {
            let (read, cutoffs) = self.find(caller, command.id).await?;
            let read = read.ok_or(SessionError::SessionNotFound)?;
            let now = self.clock.now();
            let mut after = read.stored;
            if self.answered(command.id.shard(), command.idempotency.as_ref()).await?.is_some() {
                return Ok(after.as_of(now, &cutoffs));
            }
            if after.life(now, &cutoffs) != Life::Alive {
                return Err(SessionError::SessionEnded);
            }
            if let Some(name) = &command.device_name {
                name.clone_into(&mut after.session_mut().device.name);
            }
            if let Some(attributes) = &command.attributes {
                after.session_mut().attributes = attributes::replaced(&after.session.attributes, attributes);
            }
            let mut commit = Commit::new(command.id.shard());
            commit.cutoffs = Some(cutoffs.version);
            commit.writes.push(Write { before: Some(read.snapshot), after: after.clone(), is_forgotten: false });
            commit.answer = command.idempotency.as_ref().map(|(key, request)| {
                let mut answer = request.answer();
                answer.sessions.push(command.id.to_string());
                (key.clone(), answer)
            });
            if self.store.commit(commit).await? != Committed::Conflict {
                return Ok(after);
            }
        }
        Err(SessionError::Contention)
    }
}
