//! Looks through the deadlines of living sessions after a policy changed: the sweeper comes to a session when its deadline
//! passes, and a shorter limit has moved that. Only the punctuality of `session.expired` depends on it; reads do not.

use futures::{StreamExt as _, stream};

use super::Sessions;
use crate::{
    domain::{
        id::{Shard, Whose},
        policy::PolicyScope,
        session::Stored,
    },
    error::SessionError,
    ports::{Chores, ListQuery, PolicyStore, Read},
};

/// Sessions looked at in one go.
const BATCH: usize = 200;
/// Deadlines written at the same time.
const AT_ONCE: usize = 16;

impl<S: Chores + PolicyStore> Sessions<S> {
    /// Looks through the deadlines in a shard for every policy that has changed.
    ///
    /// # Errors
    /// Failures of the store; what is not finished is done again.
    pub async fn settle(&self, shard: Shard) -> Result<(), SessionError> {
        for (scope, version) in self.store.unsettled(shard).await? {
            self.look_through(shard, &scope).await?;
            self.store.settled(shard, &scope, version).await?;
        }
        Ok(())
    }

    async fn look_through(&self, shard: Shard, scope: &PolicyScope) -> Result<(), SessionError> {
        let (whose, mut after) = (Whose::Tenant(scope.tenant.clone()), None);
        loop {
            let query = ListQuery { after, newest_first: false, limit: BATCH };
            let mut chunk = self.store.list(shard, &whose, query).await?;
            let cutoffs = self.store.cutoffs(shard).await?;
            chunk.iter_mut().for_each(|read| self.rule(read, &cutoffs));
            let is_last = chunk.len() < BATCH;
            after = chunk.last().map(|read| (read.stored.session.created_at, read.stored.session.id)).or(after);
            chunk.retain(|Read { stored: Stored { session, .. }, .. }| {
                session.end.is_none() && session.caps != Default::default() && scope.concerns(session)
            });
            let looks = chunk.into_iter().map(|read| self.look_again(read));
            let mut looks = stream::iter(looks).buffer_unordered(AT_ONCE);
            while let Some(look) = looks.next().await {
                look?;
            }
            if is_last {
                return Ok(());
            }
        }
    }
}
