//! Reads sessions in the order of their creation, a part at a time.

use svc_kit::clock::Timestamp;

use super::{RedisStore, link::Answered, pages::Place, record};
use crate::{
    domain::id::{SessionId, Shard, Whose},
    ports::{ListQuery, Read, StoreError},
};

/// Entries read beyond those that are wanted: the range begins with the millisecond of the last one before it, and some of that
/// were seen already.
const TIES: usize = 16;

impl RedisStore {
    /// Reads a part of the sessions of a user or of a tenant.
    pub(super) async fn range(&self, shard: Shard, whose: &Whose, query: ListQuery) -> Result<Vec<Read>, StoreError> {
        let (mut reads, mut after) = (Vec::new(), query.after);
        while reads.len() < query.limit {
            let rest = ListQuery { after, limit: query.limit - reads.len(), ..query };
            let (places, is_last) = match whose {
                Whose::Owner(owner) => self.next_of_owner(shard, &self.keys.owner(shard, owner), rest).await?,
                Whose::Tenant(tenant) => self.next_in_pages(shard, &self.keys.tenant(shard, tenant), rest).await?,
            };
            after = places.last().copied().or(after);
            let ids: Vec<SessionId> = places.into_iter().map(|(_, id)| id).collect();
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

    /// The next entries of a user's index, and whether they are the last.
    async fn next_of_owner(&self, shard: Shard, key: &str, query: ListQuery) -> Result<(Vec<Place>, bool), StoreError> {
        let asked = query.limit + query.after.map_or(0, |_| TIES);
        let mut offset = 0;
        loop {
            let mut range = redis::cmd("ZRANGE");
            let from = query.after.map(|(at, _)| at.as_ms().to_string());
            match query.newest_first {
                true => range.arg(key).arg(from.as_deref().unwrap_or("+inf")).arg("-inf").arg("BYSCORE").arg("REV"),
                false => range.arg(key).arg(from.as_deref().unwrap_or("-inf")).arg("+inf").arg("BYSCORE"),
            };
            range.arg("LIMIT").arg(offset).arg(asked).arg("WITHSCORES");
            let members: Vec<(Vec<u8>, i64)> = self.link.read(self.link.shard(shard), &range).await?;
            let is_end = members.len() < asked;
            offset += members.len();
            let places = members.into_iter().filter_map(|(id, ms)| {
                let place = (Timestamp::from_ms(ms), SessionId::from_bytes(&id)?);
                query.is_next(place).then_some(place)
            });
            let mut places: Vec<Place> = places.collect();
            // Otherwise all of these were seen before; more sessions have this time.
            if is_end || !places.is_empty() {
                let is_last = is_end && places.len() <= query.limit;
                places.truncate(query.limit);
                return Ok((places, is_last));
            }
        }
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
