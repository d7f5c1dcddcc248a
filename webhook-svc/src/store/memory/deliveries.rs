//! Events and their deliveries.

use std::collections::HashSet;

use svc_kit::clock::Timestamp;

use super::MemoryStore;
use crate::{
    domain::{
        delivery::{Attempt, Delivery, DeliveryId},
        endpoint::{Endpoint, EndpointId},
    },
    ports::{
        Claim, DeliveryQuery, DeliveryStore, Ended, LogPosition, LoggedEvent, Outcome, Redelivered, Room, StoreError,
    },
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

    async fn record(&self, claim: &Claim, outcome: Outcome) -> Result<bool, StoreError> {
        let events = self.lock().record(claim, outcome);
        let is_recorded = events.is_some();
        self.outbox.push(events.unwrap_or_default());
        Ok(is_recorded)
    }

    async fn record_taken(&self, ended: &[Ended]) -> Result<HashSet<DeliveryId>, StoreError> {
        let mut tables = self.lock();
        let mut recorded = HashSet::new();
        for Ended { claim, outcome } in ended {
            let is_failing = tables.healths.contains_key(&claim.endpoint.id);
            if !is_failing && tables.record(claim, outcome.clone()).is_some() {
                recorded.insert(claim.id.clone());
            }
        }
        Ok(recorded)
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
