//! Events and their deliveries.

use svc_kit::clock::Timestamp;

use super::MemoryStore;
use crate::{
    domain::{
        delivery::{Attempt, Delivery, DeliveryId, State},
        endpoint::{Endpoint, EndpointId},
    },
    ports::{Claim, DeliveryQuery, DeliveryStore, LogPosition, LoggedEvent, Outcome, Redelivered, Room, StoreError},
};

impl DeliveryStore for MemoryStore {
    async fn accept(&self, events: &[LoggedEvent]) -> Result<usize, StoreError> {
        let mut tables = self.lock();
        let mut accepted = 0;
        for event in events {
            if !tables.log(event) {
                continue;
            }
            accepted += 1;
            let wants = |endpoint: &&Endpoint| endpoint.wants(event.subject());
            let receivers: Vec<EndpointId> =
                tables.endpoints.values().filter(wants).map(|endpoint| endpoint.id.clone()).collect();
            for endpoint in receivers {
                tables.add_delivery(event, &endpoint);
            }
        }
        Ok(accepted)
    }

    async fn accept_for(&self, event: &LoggedEvent, endpoint: &EndpointId) -> Result<Option<DeliveryId>, StoreError> {
        let mut tables = self.lock();
        if tables.endpoints.get(endpoint).is_none_or(|endpoint| endpoint.disabled.is_some()) {
            return Ok(None);
        }
        if tables.log(event) {
            tables.add_delivery(event, endpoint);
        }
        Ok(Some(DeliveryId::of(endpoint, &event.id)))
    }

    async fn claim(&self, now: Timestamp, lease_until: Timestamp, room: &Room) -> Result<Vec<Claim>, StoreError> {
        let mut tables = self.lock();
        let chosen = tables.choose(now, room);
        Ok(chosen.iter().filter_map(|id| tables.claim(id, now, lease_until)).collect())
    }

    async fn next_due(&self, now: Timestamp, room: &Room) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.lock().next_due(now, room))
    }

    async fn record(&self, claim: &Claim, mut outcome: Outcome) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        let Some(row) = tables.deliveries.get_mut(&claim.id) else { return Ok(false) };
        if row.generation != claim.generation || row.delivery.state != State::Pending {
            return Ok(false);
        }
        row.attempts.push(outcome.attempt.clone());
        row.step += u32::from(outcome.is_step);
        row.generation += 1;
        row.is_claimed = false;
        row.delivery.attempt_count += 1;
        row.delivery.state = outcome.state;
        row.delivery.next_attempt_at = outcome.next_attempt_at;
        if let Some(judgement) = tables.note(&claim.endpoint.id, &outcome) {
            outcome.disable = outcome.disable.or(judgement.disable);
            outcome.events.extend(judgement.events);
        }
        if let Some(reason) = outcome.disable {
            if let Some(endpoint) = tables.endpoints.get_mut(&claim.endpoint.id) {
                (endpoint.disabled, endpoint.paused_at) = (Some(reason.to_owned()), None);
            }
            tables.healths.remove(&claim.endpoint.id);
            tables.cancel_pending(&claim.endpoint.id);
        }
        self.outbox.push(outcome.events);
        Ok(true)
    }

    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Vec<Delivery>, StoreError> {
        let tables = self.lock();
        let place = |delivery: &Delivery| (delivery.created_at, delivery.id.clone());
        let is_chosen = |delivery: &&Delivery| {
            delivery.tenant == query.tenant
                && query.endpoint.as_ref().is_none_or(|endpoint| *endpoint == delivery.endpoint)
                && query.state.is_none_or(|state| state == delivery.state)
                && query.after.as_ref().is_none_or(|after| place(delivery) < *after)
        };
        let mut chosen: Vec<Delivery> =
            tables.deliveries.values().map(|row| &row.delivery).filter(is_chosen).cloned().collect();
        chosen.sort_by_key(|delivery| std::cmp::Reverse(place(delivery)));
        chosen.truncate(query.limit);
        Ok(chosen)
    }

    async fn delivery(&self, id: &DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>, StoreError> {
        Ok(self.lock().deliveries.get(id).map(|row| (row.delivery.clone(), row.attempts.clone())))
    }

    async fn redeliver(&self, id: &DeliveryId, now: Timestamp) -> Result<Redelivered, StoreError> {
        Ok(self.lock().again(id, now))
    }

    async fn events(
        &self,
        tenant: &str,
        after: LogPosition,
        limit: usize,
    ) -> Result<Vec<(LogPosition, LoggedEvent)>, StoreError> {
        let tables = self.lock();
        let later = tables.events_of(tenant).filter(|(place, _)| *place > after).take(limit);
        Ok(later.map(|(place, event)| (place, event.clone())).collect())
    }
}
