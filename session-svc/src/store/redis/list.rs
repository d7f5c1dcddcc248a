//! Reads sessions in the order of an index, a part at a time.

use super::{RedisStore, link::Answered, record};
use crate::{
    domain::id::{SessionId, Shard, Whose},
    ports::{ListQuery, Read, StoreError},
};

/// Entries read beyond those that are wanted: the range begins with the millisecond of the last one before it, and some of that
/// were seen already. Where there are more one read is not enough.
const TIES: usize = 16;

/// A session in an index, and when it was created.
type Entry = (Vec<u8>, i64);

impl RedisStore {
    /// Reads a part of the sessions of a user or of a tenant.
    pub(super) async fn range(&self, shard: Shard, whose: &Whose, query: ListQuery) -> Result<Vec<Read>, StoreError> {
        let (mut reads, mut offset) = (Vec::new(), 0);
        while reads.len() < query.limit {
            let missing = query.limit - reads.len();
            let asked = missing + query.after.map_or(0, |_| TIES);
            let entries = self.entries(shard, whose, query, (offset, asked)).await?;
            let (mut ids, mut passed) = (Vec::with_capacity(missing), 0);
            for entry in entries.iter().take_while(|_| ids.len() < missing) {
                passed += 1;
                if is_after(entry, &query) {
                    ids.extend(SessionId::from_bytes(&entry.0));
                }
            }
            offset += passed;
            let is_last = entries.len() < asked && passed == entries.len();
            let mut found = self.read_all(shard, &ids).await?;
            if !self.restoring.is_trusted(shard, found.history) {
                self.doubt(shard, &mut Default::default(), &mut found.value).await;
            }
            reads.extend(found.value);
            if is_last {
                break;
            }
        }
        Ok(reads)
    }

    async fn entries(
        &self,
        shard: Shard,
        whose: &Whose,
        query: ListQuery,
        (offset, count): (usize, usize),
    ) -> Result<Vec<Entry>, StoreError> {
        let mut range = redis::cmd("ZRANGE");
        match whose {
            Whose::Owner(owner) => range.arg(self.keys.owner(shard, owner)),
            Whose::Tenant(tenant) => range.arg(self.keys.tenant(shard, tenant)),
        };
        let from = query.after.map(|(at, _)| at.as_ms().to_string());
        match query.newest_first {
            true => range.arg(from.as_deref().unwrap_or("+inf")).arg("-inf").arg("BYSCORE").arg("REV"),
            false => range.arg(from.as_deref().unwrap_or("-inf")).arg("+inf").arg("BYSCORE"),
        };
        range.arg("LIMIT").arg(offset).arg(count).arg("WITHSCORES");
        self.link.read(self.link.shard(shard), &range).await
    }

    /// Reads the records of some sessions; those that are gone are left out.
    pub(super) async fn read_all(&self, shard: Shard, ids: &[SessionId]) -> Result<Answered<Vec<Read>>, StoreError> {
        if ids.is_empty() {
            return Ok(Answered { value: Vec::new(), history: self.restoring.trusted(shard) });
        }
        let mut get = redis::cmd("MGET");
        for id in ids {
            get.arg(self.keys.session(*id));
        }
        let found = self.link.read_traced::<Vec<Option<Vec<u8>>>>(self.link.shard(shard), &get).await?;
        let reads = ids.iter().zip(found.value).filter_map(|(id, value)| Some(record::decode(*id, value?)));
        Ok(Answered { value: reads.collect::<Result<_, _>>()?, history: found.history })
    }
}

/// Says whether an index entry comes after the cursor; entries of the cursor's own millisecond are ordered by id.
fn is_after((id, score): &Entry, query: &ListQuery) -> bool {
    let Some((at, last)) = query.after else { return true };
    let last = last.to_bytes();
    if *score != at.as_ms() {
        return true;
    }
    if query.newest_first { id[..] < last[..] } else { id[..] > last[..] }
}
