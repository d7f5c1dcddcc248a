//! Keeps the number of sessions of a user in an application within what policies allow.
//!
//! Counting and creating are one decision: every creation under a limit moves the number of such births of its user, which
//! the commit must find as it was before the sessions were counted. So of two creations at the same time one counts the
//! other. Creations of one user wait for each other in this replica, which only saves work.

use tokio::sync::{Mutex, MutexGuard};

use super::{Sessions, rules::around};
use crate::{
    domain::{
        cutoff::Cutoffs,
        end::{End, EndReason},
        id::{Owner, Whose},
        policy::OnLimit,
        session::{Kind, Life, Session},
    },
    error::SessionError,
    ports::{Commit, ListQuery, Read, SessionStore, Write},
};

/// Lines of users that may have to wait for each other.
const LINES: u16 = 64;
/// Sessions of a user looked at in one go.
const CHUNK: usize = 500;

/// Where creations under a limit wait for each other.
pub struct Turns(Vec<Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..LINES).map(|_| Mutex::default()).collect())
    }
}

impl Turns {
    async fn wait(&self, owner: &Owner) -> Option<MutexGuard<'_, ()>> {
        match self.0.get(usize::from(owner.shard(LINES).0)) {
            Some(line) => Some(line.lock().await),
            None => None,
        }
    }
}

impl<S: SessionStore> Sessions<S> {
    /// Waits for one's turn, if the session that is to be created is under a limit as far as is known.
    pub(super) async fn turn(&self, session: &Session, cutoffs: &Cutoffs) -> Option<MutexGuard<'_, ()>> {
        match is_limited(session, cutoffs) {
            true => self.turns.wait(&session.owner).await,
            false => None,
        }
    }

    /// Adds to the commit that creates a session what keeps within the limit: the guard, and the ends of the oldest.
    pub(super) async fn make_room(
        &self,
        commit: &mut Commit,
        session: &Session,
        cutoffs: &Cutoffs,
    ) -> Result<(), SessionError> {
        let Some(limit) = around(session, cutoffs).session_limit().filter(|_| session.kind == Kind::Application) else {
            return Ok(());
        };
        // Before the sessions: one that is born after this is either listed, or refuses the commit.
        let births = self.store.births(commit.shard, &session.owner).await?;
        let mut alive = self.alive_beside(session, cutoffs).await?;
        commit.births = Some((session.owner.clone(), births));
        let max_sessions = limit.max_sessions.value;
        let excess = (alive.len() + 1).saturating_sub(usize::try_from(max_sessions).unwrap_or(usize::MAX));
        if excess > 0 && limit.on_limit.value == OnLimit::RejectNew {
            return Err(SessionError::SessionLimitReached(max_sessions));
        }
        alive.sort_by_key(|read| (read.stored.session.created_at, read.stored.session.id));
        for oldest in alive.into_iter().take(excess) {
            let (ended, event) = oldest.stored.ended(End::found(self.clock.now(), EndReason::Limit));
            commit.events.push(event);
            commit.writes.push(Write { before: Some(oldest.snapshot), after: ended, is_forgotten: false });
        }
        Ok(())
    }

    /// The living sessions of the same user in the same application.
    async fn alive_beside(&self, session: &Session, cutoffs: &Cutoffs) -> Result<Vec<Read>, SessionError> {
        let (whose, now) = (Whose::Owner(session.owner.clone()), self.clock.now());
        let (mut alive, mut after) = (Vec::new(), None);
        loop {
            let query = ListQuery { after, newest_first: true, limit: CHUNK };
            let chunk = self.store.list(session.id.shard(), &whose, query).await?;
            let is_last = chunk.len() < CHUNK;
            after = chunk.last().map(|read| (read.stored.session.created_at, read.stored.session.id));
            alive.extend(chunk.into_iter().filter_map(|mut read| {
                self.rule(&mut read, cutoffs);
                let other = &read.stored.session;
                let is_beside = other.kind == Kind::Application && other.application == session.application;
                (is_beside && read.stored.life(now, cutoffs) == Life::Alive).then_some(read)
            }));
            if is_last {
                return Ok(alive);
            }
        }
    }
}

fn is_limited(session: &Session, cutoffs: &Cutoffs) -> bool {
    session.kind == Kind::Application && around(session, cutoffs).session_limit().is_some()
}
