//! What a Redis must be like before sessions are entrusted to it.

use super::{RedisStore, link::Place};
use crate::ports::StoreError;

/// The layout of this version.
const LAYOUT: u32 = 3;

impl RedisStore {
    /// Checks that the store was made with this layout and this number of shards; an empty one is marked so. Returns what
    /// is unsafe about the settings of any of its servers, those included that would take over.
    ///
    /// # Errors
    /// A failure of the store, or [`StoreError::Unreadable`] when it was made otherwise.
    pub async fn check(&self) -> Result<Vec<String>, StoreError> {
        let mine = format!("layout={LAYOUT} shards={}", self.shards);
        let key = self.keys.layout();
        let mut mark = redis::cmd("SET");
        mark.arg(&key).arg(&mine).arg("NX").arg("GET");
        let found: Option<String> = self.link.command(Place::of(&key), &mark).await?;
        if let Some(found) = found.filter(|found| *found != mine) {
            tracing::error!(found, expected = mine, "the store was made with another layout or number of shards");
            return Err(StoreError::Unreadable("the layout is another one"));
        }
        let mut unsafe_settings = Vec::new();
        for (name, wanted, why) in [
            ("maxmemory-policy", "noeviction", "a session may be evicted"),
            ("appendonly", "yes", "sessions and ends of sessions are lost when the server stops"),
        ] {
            for (server, value) in self.link.settings(name).await? {
                if value != wanted {
                    unsafe_settings.push(format!("{server}: {name} is not {wanted}: {why}"));
                }
            }
        }
        Ok(unsafe_settings)
    }
}
