//! Shows the event log.

use super::Webhooks;
use crate::{
    domain::endpoint::EventPattern,
    error::WebhookError,
    ports::{DeliveryStore, LogPosition, LoggedEvent},
};

/// Events that one page looks at; a filter that chooses few of many gets short pages instead of slow ones.
const LOOKED_AT_MAX: usize = 2_000;

/// A page of the log.
pub struct LogPage {
    /// The events.
    pub events: Vec<LoggedEvent>,
    /// Where to go on.
    pub next: LogPosition,
    /// Whether there is more right now.
    pub has_more: bool,
}

impl<S: DeliveryStore> Webhooks<S> {
    /// Lists events in the order of their arrival.
    ///
    /// # Errors
    /// Failures of the store.
    pub async fn log(
        &self,
        tenant: &str,
        types: &[EventPattern],
        after: LogPosition,
        size: usize,
    ) -> Result<LogPage, WebhookError> {
        let limit = if types.is_empty() { size + 1 } else { LOOKED_AT_MAX };
        let looked_at = self.store.events(tenant, after, limit).await?;
        let mut page = LogPage { events: Vec::new(), next: after, has_more: looked_at.len() == limit };
        for (position, event) in looked_at {
            let is_chosen = EventPattern::choose(types, &event.event_type);
            if is_chosen && page.events.len() == size {
                page.has_more = true;
                break;
            }
            page.next = position;
            if is_chosen {
                page.events.push(event);
            }
        }
        Ok(page)
    }
}
