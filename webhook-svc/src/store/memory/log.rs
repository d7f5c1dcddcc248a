//! The log, read again.

use super::{MemoryStore, Tables};
use crate::{
    domain::delivery::{DeliveryId, State},
    ports::{ArrivalQuery, LogPosition, LogStore, LoggedEvent, Pace, Replay, ReplayMode, StoreError},
};

impl Tables {
    /// Events of a tenant with their places.
    pub(super) fn events_of<'t>(
        &'t self,
        tenant: &str,
    ) -> impl DoubleEndedIterator<Item = (LogPosition, &'t LoggedEvent)> {
        let place = |position: usize| LogPosition(i64::try_from(position + 1).unwrap_or(i64::MAX));
        let events = self.events.iter().map(move |(position, event)| (place(*position), event));
        events.filter(move |(_, event)| event.tenant == tenant)
    }

    /// Says whether a delivery may be made again.
    fn may_be_replayed(&self, replay: &Replay, mode: ReplayMode) -> bool {
        let is_enabled = self.endpoints.get(&replay.endpoint).is_some_and(|endpoint| endpoint.disabled.is_none());
        let state = self.deliveries.get(&DeliveryId::of(&replay.endpoint, &replay.event)).map(|row| row.delivery.state);
        is_enabled
            && match state {
                None | Some(State::Exhausted | State::Cancelled) => true,
                Some(State::Succeeded) => !mode.only_missing,
                Some(State::Pending) => false,
            }
    }
}

impl LogStore for MemoryStore {
    async fn log_end(&self, tenant: &str) -> Result<LogPosition, StoreError> {
        Ok(self.lock().events_of(tenant).map(|(place, _)| place).next_back().unwrap_or_default())
    }

    async fn arrivals(&self, query: &ArrivalQuery) -> Result<Vec<(LogPosition, LoggedEvent)>, StoreError> {
        let tables = self.lock();
        let order = |(place, event): &(LogPosition, &LoggedEvent)| (event.received_at, *place);
        let is_chosen = |found: &(LogPosition, &LoggedEvent)| {
            (query.from..query.to).contains(&found.1.received_at)
                && query.after.is_none_or(|after| order(found) > after)
        };
        let mut chosen: Vec<_> = tables.events_of(&query.tenant).filter(is_chosen).collect();
        chosen.sort_by_key(order);
        Ok(chosen.into_iter().take(query.limit).map(|(place, event)| (place, event.clone())).collect())
    }

    async fn replay(
        &self,
        tenant: &str,
        replays: &[Replay],
        pace: Pace,
        mode: ReplayMode,
    ) -> Result<usize, StoreError> {
        let mut tables = self.lock();
        let mut count = 0;
        for replay in replays {
            let place = tables.positions.get(&replay.event).copied();
            let event =
                place.and_then(|place| tables.events.get(&place)).filter(|event| event.tenant == tenant).cloned();
            let Some(event) = event.filter(|_| tables.may_be_replayed(replay, mode)) else { continue };
            let due = pace.rate.due(pace.from, pace.before.saturating_add(count));
            count += 1;
            if mode.is_dry {
                continue;
            }
            let id = DeliveryId::of(&replay.endpoint, &replay.event);
            tables.add_delivery(&event, &replay.endpoint);
            tables.again(&id, due);
            if let Some(row) = tables.deliveries.get_mut(&id) {
                row.delivery.is_replay = true;
            }
        }
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }
}
