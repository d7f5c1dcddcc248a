//! Lists sessions of a user, page by page.

use svc_kit::clock::Timestamp;

use super::Sessions;
use crate::{
    domain::{
        filter::Filter,
        id::{SessionId, Shard},
        session::Stored,
    },
    error::SessionError,
    ports::{ListQuery, SessionStore},
};

/// Most sessions that one page looks at; a filter that chooses few of many gets short pages instead of slow ones.
const LOOKED_AT_MAX: usize = 2_000;
const CHUNK: usize = 200;

/// A page of sessions.
pub struct Page {
    /// The sessions.
    pub sessions: Vec<Stored>,
    /// Where the next page continues; `None` on the last.
    pub next: Option<(Timestamp, SessionId)>,
    /// How many sessions were looked at to find these.
    pub looked_at: usize,
}

impl<S: SessionStore> Sessions<S> {
    /// Lists the sessions that `filter` chooses, by creation.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn list(
        &self,
        filter: &Filter,
        newest_first: bool,
        mut after: Option<(Timestamp, SessionId)>,
        size: usize,
    ) -> Result<Page, SessionError> {
        let shard: Shard = filter.owner.shard(self.store.shards());
        let now = self.clock.now();
        let mut sessions = Vec::new();
        let mut looked_at = 0;
        while looked_at < LOOKED_AT_MAX {
            let query = ListQuery { after, newest_first, limit: CHUNK };
            let chunk = self.store.list(&filter.owner, query).await?;
            // After the sessions: a cutoff that ends one of them is seen.
            let cutoffs = self.store.cutoffs(shard).await?;
            let is_last = chunk.len() < CHUNK;
            looked_at += chunk.len();
            for read in chunk {
                let mut stored = read.stored;
                let at = (stored.session.created_at, stored.session.id);
                stored.session = stored.as_of(now, &cutoffs);
                if filter.matches(&stored.session) {
                    if sessions.len() == size {
                        return Ok(Page { sessions, next: after, looked_at });
                    }
                    sessions.push(stored);
                }
                after = Some(at);
            }
            if is_last {
                return Ok(Page { sessions, next: None, looked_at });
            }
        }
        Ok(Page { sessions, next: after, looked_at })
    }
}
