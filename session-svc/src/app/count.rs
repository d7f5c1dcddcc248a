//! Counts sessions.
//!
//! All living sessions of a tenant, or of some applications of it, are counted as they come and go: the answer is there
//! whatever their number. Sessions that are over but not recorded as such are still in it for the moment that the sweeper
//! takes. Any other count looks at the sessions.

use futures::future::try_join_all;

use super::Sessions;
use crate::{
    domain::{
        cutoff::Scope,
        filter::{Filter, State},
    },
    error::SessionError,
    ports::SessionStore,
};

/// Most sessions that a count looks at.
pub const COUNTED_MAX: usize = 10_000;
/// Sessions looked at in one go.
const PAGE: usize = 500;

/// How many sessions there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// So many.
    pub sessions: usize,
    /// Whether there may be more.
    pub is_lower_bound: bool,
}

impl<S: SessionStore> Sessions<S> {
    /// Counts the sessions that `filter` chooses.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn count(&self, filter: &Filter) -> Result<Count, SessionError> {
        if let (None, Some(scopes), [State::Active]) = (&filter.user, filter.as_scopes(), &filter.states[..]) {
            return self.live(&scopes).await;
        }
        let (mut sessions, mut looked_at, mut after) = (0, 0, None);
        while looked_at < COUNTED_MAX {
            let page = self.list(filter, true, after, PAGE).await?;
            sessions += page.sessions.len();
            looked_at += page.looked_at;
            after = page.next;
            if after.is_none() {
                return Ok(Count { sessions, is_lower_bound: false });
            }
        }
        Ok(Count { sessions, is_lower_bound: true })
    }

    async fn live(&self, scopes: &[Scope]) -> Result<Count, SessionError> {
        let mut sessions = 0;
        for scope in scopes {
            let shards = scope.whose().shards(self.store.shards());
            let live = |shard| self.store.live(shard, &scope.tenant, scope.application.as_ref());
            sessions += try_join_all(shards.into_iter().map(live)).await?.into_iter().sum::<u64>();
        }
        Ok(Count { sessions: usize::try_from(sessions).unwrap_or(usize::MAX), is_lower_bound: false })
    }
}
