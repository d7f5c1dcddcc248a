//! What happens by itself: sessions whose time is over are recorded as expired, cutoffs are cleaned up, old records are
//! forgotten. Everything goes through the same decisions and commits as a call does, so two sweepers at once are harmless.

use futures::{StreamExt as _, stream};
use svc_kit::clock::Timestamp;

use super::Sessions;
use crate::{
    domain::{
        cutoff::{Cutoffs, Scope},
        id::Shard,
        session::{Life, TOMBSTONE},
    },
    error::SessionError,
    ports::{Chores, Commit, ListQuery, Look, Read, Write},
};

/// Sessions handled in one go.
const BATCH: usize = 200;
/// Ends recorded at the same time in a clean-up.
const AT_ONCE: usize = 16;

impl<S: Chores> Sessions<S> {
    /// Does what is due in a shard; says whether there may be more.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn sweep(&self, shard: Shard) -> Result<bool, SessionError> {
        for scope in self.store.unfinished(shard).await? {
            self.clean_up(shard, &scope).await?;
        }
        let now = self.clock.now();
        let due = self.store.due(shard, now, BATCH).await?;
        for look in &due {
            self.look_at(*look, now).await?;
        }
        Ok(due.len() == BATCH)
    }

    /// Forgets cutoffs that are older than any session can be.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn forget_cutoffs(&self, shard: Shard) -> Result<(), SessionError> {
        let before = self.clock.now().saturating_sub(self.policies.longest_life() + TOMBSTONE);
        Ok(self.store.forget_cutoffs(shard, before).await?)
    }

    async fn look_at(&self, look: Look, now: Timestamp) -> Result<(), SessionError> {
        let (read, cutoffs) = self.load(look.session).await?;
        let Some(read) = read else {
            return Ok(self.store.remove_look(look).await?);
        };
        match read.stored.life(now, &cutoffs) {
            Life::Lapsed(_) => {
                self.end_now(look.session, None, None).await?;
                Ok(())
            }
            Life::Ended(_) if now >= read.stored.session.forgotten_at() => self.forget(read, &cutoffs).await,
            // Its end has armed another look.
            Life::Ended(_) => Ok(self.store.remove_look(look).await?),
            Life::Alive => self.look_again(read).await,
        }
    }

    /// Arms the next look at a living session that was read. If somebody changed it meanwhile, they knew its deadline.
    pub(super) async fn look_again(&self, read: Read) -> Result<(), SessionError> {
        let mut commit = Commit::new(read.stored.session.id.shard());
        commit.is_ending = true;
        commit.is_look = true;
        commit.writes.push(Write { before: Some(read.snapshot), after: read.stored, is_forgotten: false });
        self.store.commit(commit).await?;
        Ok(())
    }

    async fn forget(&self, read: Read, cutoffs: &Cutoffs) -> Result<(), SessionError> {
        let mut commit = Commit::new(read.stored.session.id.shard());
        commit.is_ending = true;
        commit.cutoffs = Some(cutoffs.version);
        commit.writes.push(Write { before: Some(read.snapshot), after: read.stored, is_forgotten: true });
        self.store.commit(commit).await?;
        Ok(())
    }

    /// Records the end of every session that a cutoff covers.
    async fn clean_up(&self, shard: Shard, scope: &Scope) -> Result<(), SessionError> {
        let cutoffs = self.store.cutoffs(shard).await?;
        let Some(cutoff) = cutoffs.scopes.get(scope) else { return Ok(()) };
        let (mut after, mut is_complete) = (None, true);
        loop {
            let query = ListQuery { after, newest_first: false, limit: BATCH };
            let chunk = self.store.list(shard, &scope.whose(), query).await?;
            let is_last = chunk.len() < BATCH;
            after = chunk.last().map(|read| (read.stored.session.created_at, read.stored.session.id)).or(after);
            let is_covered =
                |read: &&Read| read.stored.session.end.is_none() && cutoffs.covering(&read.stored).is_some();
            let covered: Vec<_> = chunk.iter().filter(is_covered).map(|read| read.stored.session.id).collect();
            let ends = covered.into_iter().map(|id| self.end_now(id, None, None));
            let mut ends = stream::iter(ends).buffer_unordered(AT_ONCE);
            while let Some(ended) = ends.next().await {
                // A conflict leaves it for the next round.
                is_complete &= ended?.is_some();
            }
            if is_last {
                break;
            }
        }
        if is_complete {
            self.store.finished(shard, scope, cutoff.revision).await?;
        }
        Ok(())
    }
}
