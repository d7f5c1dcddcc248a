//! Counts sessions.

use super::Sessions;
use crate::{domain::filter::Filter, error::SessionError, ports::SessionStore};

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
}
