//! Lists sessions of a user or of a tenant, page by page.
//!
//! The sessions of a tenant are spread over all shards. Each shard's are read in order, a few at a time, and merged; a
//! page costs as much as it is long, whatever the number of sessions.

use std::collections::VecDeque;

use futures::future::try_join_all;
use svc_kit::clock::Timestamp;

use super::Sessions;
use crate::{
    domain::{
        filter::Filter,
        id::{SessionId, Shard, Whose},
        session::Stored,
    },
    error::SessionError,
    ports::{ListQuery, SessionStore},
};

/// Most sessions that one page looks at; a filter that chooses few of many gets short pages instead of slow ones.
const LOOKED_AT_MAX: usize = 2_000;
/// Sessions read from a shard at a time.
const CHUNK_MIN: usize = 8;
const CHUNK_MAX: usize = 1_024;

/// A place in a list: creation time and id of the session before it.
pub type Place = (Timestamp, SessionId);

/// A page of sessions.
pub struct Page {
    /// The sessions.
    pub sessions: Vec<Stored>,
    /// Where the next page continues; `None` on the last.
    pub next: Option<Place>,
    /// How many sessions were looked at to find these.
    pub looked_at: usize,
}

/// The sessions of one shard, read as they are needed.
struct Feed {
    shard: Shard,
    ready: VecDeque<Stored>,
    after: Option<Place>,
    is_drained: bool,
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
        mut after: Option<Place>,
        size: usize,
    ) -> Result<Page, SessionError> {
        let (whose, now) = (filter.whose(), self.clock.now());
        let shards = whose.shards(self.store.shards());
        let feed = |shard: &Shard| Feed { shard: *shard, ready: VecDeque::new(), after, is_drained: false };
        let mut feeds: Vec<Feed> = shards.iter().map(feed).collect();
        let (mut sessions, mut looked_at) = (Vec::new(), 0);
        while looked_at < LOOKED_AT_MAX {
            let limit = chunk(size - sessions.len(), looked_at, shards.len());
            let empty = feeds.iter_mut().filter(|feed| feed.ready.is_empty() && !feed.is_drained);
            try_join_all(empty.map(|feed| self.fill(feed, &whose, newest_first, limit, now))).await?;
            let Some(stored) = next_of(&mut feeds, newest_first) else {
                return Ok(Page { sessions, next: None, looked_at });
            };
            let place = place(&stored);
            looked_at += 1;
            if filter.matches(&stored.session) {
                if sessions.len() == size {
                    return Ok(Page { sessions, next: after, looked_at });
                }
                sessions.push(stored);
            }
            after = Some(place);
        }
        Ok(Page { sessions, next: after, looked_at })
    }

    async fn fill(
        &self,
        feed: &mut Feed,
        whose: &Whose,
        newest_first: bool,
        limit: usize,
        now: Timestamp,
    ) -> Result<(), SessionError> {
        let query = ListQuery { after: feed.after, newest_first, limit };
        let chunk = self.store.list(feed.shard, whose, query).await?;
        // After the sessions: a cutoff that ends one of them is seen.
        let cutoffs = self.store.cutoffs(feed.shard).await?;
        feed.is_drained = chunk.len() < limit;
        feed.ready.extend(chunk.into_iter().map(|mut read| {
            self.rule(&mut read, &cutoffs);
            read.stored.as_of(now, &cutoffs)
        }));
        feed.after = feed.ready.back().map(place).or(feed.after);
        Ok(())
    }
}

/// How many sessions to read of each shard: what the page lacks and one more, which tells whether another page follows; as
/// many as were looked at, where the filter chooses few. Of several shards it is twice the share of each.
fn chunk(missing: usize, looked_at: usize, shards: usize) -> usize {
    let wanted = (missing + 1).max(looked_at);
    let share = if shards > 1 { 2 * wanted / shards } else { wanted };
    share.clamp(CHUNK_MIN, CHUNK_MAX)
}

fn place(stored: &Stored) -> Place {
    (stored.session.created_at, stored.session.id)
}

/// Takes the session that comes first of all.
fn next_of(feeds: &mut [Feed], newest_first: bool) -> Option<Stored> {
    let first = |feed: &&mut Feed| feed.ready.front().map(place);
    let waiting = feeds.iter_mut().filter(|feed| !feed.ready.is_empty());
    let feed = if newest_first { waiting.max_by_key(first) } else { waiting.min_by_key(first) };
    feed.and_then(|feed| feed.ready.pop_front())
}
