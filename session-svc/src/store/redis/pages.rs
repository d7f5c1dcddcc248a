//! Indexes in pages: sessions in the order of a time and of their ids, for a fifth of what a sorted set takes.
//!
//! A sorted set takes about 118 bytes for each member. Here its members are pages of up to 32 entries of 14 bytes: a time (6
//! bytes) and what is random in an id (8). An entry has a number, its time in ms and the first 11 bits of its id, which is as
//! much as a score can be. A page begins at its score: it has all entries from there to where the next page begins, in no
//! order. Most entries come last and begin a page when the last one is full; a page that is full in the middle is divided, and one
//! that has become small joins the one before it. Only entries of one and the same number, which nobody has thousands of, may
//! make a page longer.
//!
//! Scripts write (`pages.lua`). An entry is found by its number, so whoever removes it has to know its time. Reads see every
//! page as it was at one moment, and the place between two reads is a time and an id: pages that are divided or joined meanwhile
//! move nothing.

use svc_kit::clock::Timestamp;

use super::{RedisStore, link::Script};
use crate::{
    domain::id::{SessionId, Shard},
    ports::{ListQuery, StoreError},
};

/// Bytes of a time.
pub(super) const TIME_BYTES: usize = 6;
const ENTRY_BYTES: usize = TIME_BYTES + SessionId::RANDOM_BYTES;
/// Entries that a page has, more or less; full ones have twice as many.
const USUAL: usize = 16;
/// What a later moment is kept as, in the year 2109: the number of an entry must be exact as a score.
const LATEST_MS: i64 = (1 << 42) - 1;
/// Numbers of a millisecond.
const NUMBERS: i64 = 1 << 11;

/// A time and the session that has it.
pub(super) type Place = (Timestamp, SessionId);

/// A page, and where it begins.
type Page = (Vec<u8>, i64);

/// A script that writes to such indexes; `flags` is its first line.
pub(super) fn script(flags: &str, text: &str) -> Script {
    Script::new(&[flags, include_str!("pages.lua"), text].join("\n"))
}

/// The stored form of a time.
pub(super) fn time(at: Timestamp) -> [u8; TIME_BYTES] {
    let ms = at.as_ms().clamp(0, LATEST_MS).to_be_bytes();
    *ms.last_chunk().unwrap_or(&[0; TIME_BYTES])
}

/// Reads the stored form of a time.
pub(super) fn time_of(bytes: [u8; TIME_BYTES]) -> Timestamp {
    Timestamp::from_ms(bytes.into_iter().fold(0, |ms, byte| ms << 8 | i64::from(byte)))
}

/// The stored form of an entry.
pub(super) fn entry((at, id): Place) -> Vec<u8> {
    [&time(at)[..], &id.random()[..]].concat()
}

/// The first number of a time.
fn first_of(at: Timestamp) -> i64 {
    at.as_ms().clamp(0, LATEST_MS) * NUMBERS
}

/// The number of an entry.
fn number((at, id): Place) -> i64 {
    let [first, second, ..] = id.random();
    first_of(at) + i64::from(u16::from_be_bytes([first, second]) >> 5)
}

/// The number that what comes after the query's place begins at, in a shard.
fn begin(shard: Shard, query: &ListQuery) -> Option<i64> {
    let (at, id) = query.after?;
    Some(match query.newest_first {
        _ if id.shard() == shard => number((at, id)),
        // A session of another shard divides this one's at the end of its millisecond, or at the beginning.
        true => first_of(at) + NUMBERS - 1,
        false => first_of(at),
    })
}

/// The entries of some pages of a shard.
fn entries(shard: Shard, pages: &[Page]) -> impl Iterator<Item = Place> {
    let entries = pages.iter().flat_map(|(page, _)| page.chunks_exact(ENTRY_BYTES));
    entries.filter_map(move |entry| {
        let (time, random) = entry.split_first_chunk()?;
        Some((time_of(*time), SessionId::from_parts(shard, *random.first_chunk()?)))
    })
}

impl RedisStore {
    /// The next entries of an index, at least one unless there are none, and whether they are the last.
    pub(super) async fn next_in_pages(
        &self,
        shard: Shard,
        key: &str,
        query: ListQuery,
    ) -> Result<(Vec<Place>, bool), StoreError> {
        // The first one may have little that is asked for, and the last one may be short.
        let mut count = query.limit.div_ceil(USUAL) + 1;
        loop {
            let pages = self.pages(shard, key, query, count).await?;
            let mut places: Vec<Place> = entries(shard, &pages).filter(|place| query.is_next(*place)).collect();
            let is_end = pages.len() < count;
            if is_end || !places.is_empty() {
                places.sort_unstable();
                if query.newest_first {
                    places.reverse();
                }
                let is_last = is_end && places.len() <= query.limit;
                places.truncate(query.limit);
                return Ok((places, is_last));
            }
            count *= 2;
        }
    }

    /// Entries up to a time, at most `limit`.
    pub(super) async fn first_in_pages(
        &self,
        shard: Shard,
        key: &str,
        upto: Timestamp,
        limit: usize,
    ) -> Result<Vec<Place>, StoreError> {
        let mut range = redis::cmd("ZRANGE");
        range.arg(key).arg("-inf").arg(first_of(upto) + NUMBERS - 1).arg("BYSCORE");
        // All but the last of the pages that begin by then have nothing later.
        range.arg("LIMIT").arg(0).arg(limit).arg("WITHSCORES");
        let pages: Vec<Page> = self.link.read(self.link.shard(shard), &range).await?;
        Ok(entries(shard, &pages).filter(|(at, _)| *at <= upto).take(limit).collect())
    }

    /// Pages with what comes after the query's place, at most `count`.
    async fn pages(&self, shard: Shard, key: &str, query: ListQuery, count: usize) -> Result<Vec<Page>, StoreError> {
        loop {
            let (mut range, mut begins) = (redis::cmd("ZRANGE"), None);
            let after = begin(shard, &query);
            if query.newest_first {
                let from = after.map_or_else(|| "+inf".to_owned(), |after| after.to_string());
                range.arg(key).arg(from).arg("-inf").arg("BYSCORE").arg("REV");
            } else {
                if let Some(after) = after {
                    begins = self.page_of(shard, key, after).await?;
                }
                let from = begins.map_or_else(|| "-inf".to_owned(), |begins| begins.to_string());
                range.arg(key).arg(from).arg("+inf").arg("BYSCORE");
            }
            range.arg("LIMIT").arg(0).arg(count).arg("WITHSCORES");
            let pages: Vec<Page> = self.link.read(self.link.shard(shard), &range).await?;
            // The page that was there a moment ago may have joined the one before it, with what is asked for.
            if begins.is_none_or(|begins| pages.first().is_some_and(|(_, first)| *first == begins)) {
                return Ok(pages);
            }
        }
    }

    /// Where the page begins that a number belongs to.
    async fn page_of(&self, shard: Shard, key: &str, number: i64) -> Result<Option<i64>, StoreError> {
        let mut range = redis::cmd("ZRANGE");
        range.arg(key).arg(number).arg("-inf").arg("BYSCORE").arg("REV").arg("LIMIT").arg(0).arg(1).arg("WITHSCORES");
        let found: Vec<Page> = self.link.read(self.link.shard(shard), &range).await?;
        Ok(found.first().map(|(_, begins)| *begins))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(random: u64) -> SessionId {
        SessionId::from_parts(Shard(7), random.to_be_bytes())
    }

    #[test]
    fn an_entry_is_fourteen_bytes_and_reads_as_it_was_written() {
        let places = [0, 1, 1_767_614_400_000, LATEST_MS].map(|ms| (Timestamp::from_ms(ms), id(u64::MAX - 3)));
        let page: Vec<u8> = places.into_iter().flat_map(entry).collect();
        assert_eq!(page.len(), 4 * ENTRY_BYTES);
        assert_eq!(entries(Shard(7), &[(page, 0)]).collect::<Vec<_>>(), places);
        assert_eq!(time_of(time(Timestamp::from_ms(i64::MAX))), Timestamp::from_ms(LATEST_MS));
        assert_eq!(time_of(time(Timestamp::from_ms(-5))), Timestamp::from_ms(0));
    }

    #[test]
    fn numbers_are_in_the_order_of_entries_and_exact_as_scores() {
        let ids = [0, 1, 1 << 52, 1 << 53, 1 << 60, u64::MAX].map(id);
        let times = [0, 1, 1_767_614_400_000, LATEST_MS].map(Timestamp::from_ms);
        let places: Vec<Place> = times.into_iter().flat_map(|at| ids.map(|id| (at, id))).collect();
        assert!(places.is_sorted());
        let numbers: Vec<i64> = places.iter().copied().map(number).collect();
        assert!(numbers.is_sorted());
        assert_eq!(numbers[..4], [0, 0, 0, 1], "eleven bits of an id");
        let most = numbers.last().copied().unwrap();
        assert_eq!(most, (1 << 53) - 1, "what a score can be, exactly");
    }
}
