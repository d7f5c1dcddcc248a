//! What a Redis must be like before sessions are entrusted to it.

use std::collections::HashMap;

use super::RedisStore;
use crate::ports::StoreError;

/// The layout of this version.
const LAYOUT: u32 = 1;

impl RedisStore {
    /// Checks that the store was made with this layout and this number of shards; an empty one is marked so. Returns what
    /// is unsafe about the server's settings.
    ///
    /// # Errors
    /// A failure of the store, or [`StoreError::Unreadable`] when it was made otherwise.
    pub async fn check(&self) -> Result<Vec<String>, StoreError> {
        let mine = format!("layout={LAYOUT} shards={}", self.shards);
        let mut pipeline = redis::pipe();
        pipeline.cmd("SET").arg(self.keys.layout()).arg(&mine).arg("NX").ignore().get(self.keys.layout());
        let (found,): (String,) = self.link.pipeline(&pipeline).await?;
        if found != mine {
            tracing::error!(found, expected = mine, "the store was made with another layout or number of shards");
            return Err(StoreError::Unreadable("the layout is another one"));
        }
        let mut unsafe_settings = Vec::new();
        for (name, wanted, why) in [
            ("maxmemory-policy", "noeviction", "a session may be evicted"),
            ("appendonly", "yes", "sessions and ends of sessions are lost when the server stops"),
        ] {
            let mut get = redis::cmd("CONFIG");
            get.arg("GET").arg(name);
            // A server that does not let us look is one whose keeper has to know.
            let settings: HashMap<String, String> = self.link.command(&get).await.unwrap_or_default();
            if settings.get(name).is_some_and(|value| value != wanted) {
                unsafe_settings.push(format!("{name} is not {wanted}: {why}"));
            }
        }
        Ok(unsafe_settings)
    }
}
