//! What may be sent, and whose turn it is.

use std::collections::HashMap;

use svc_kit::clock::Timestamp;

use super::{Row, Tables};
use crate::{
    domain::{
        delivery::{Delivery, DeliveryId},
        endpoint::{Endpoint, EndpointId},
    },
    ports::Room,
};

impl Tables {
    /// The endpoints that may be sent to.
    pub(super) fn is_open(&self, id: &EndpointId) -> bool {
        self.endpoints.get(id).is_some_and(|endpoint| endpoint.disabled.is_none() && endpoint.paused_at.is_none())
    }

    /// What is due and may be sent, in order.
    pub(super) fn due(&self, now: Timestamp) -> Vec<&Delivery> {
        let is_due = |delivery: &&Delivery| delivery.next_attempt_at.is_some_and(|due| due <= now);
        let mut due: Vec<&Delivery> =
            self.in_front().filter(is_due).filter(|delivery| self.is_open(&delivery.endpoint)).collect();
        due.sort_by_key(|delivery| (delivery.next_attempt_at, &delivery.id));
        due
    }

    /// What is overdue at an endpoint, in order, whatever it waits for.
    pub(super) fn overdue(&self, id: &EndpointId, now: Timestamp) -> Vec<&Delivery> {
        let is_meant =
            |delivery: &Delivery| delivery.endpoint == *id && delivery.next_attempt_at.is_some_and(|due| due <= now);
        let mut overdue: Vec<&Row> = self.deliveries.values().filter(|row| is_meant(&row.delivery)).collect();
        overdue.sort_by_key(|row| (row.delivery.next_attempt_at, row.place, &row.delivery.id));
        overdue.into_iter().map(|row| &row.delivery).collect()
    }

    /// Attempts under way for each endpoint.
    fn leased(&self, now: Timestamp, ended: &[DeliveryId]) -> HashMap<&EndpointId, usize> {
        let mut counts = HashMap::new();
        let is_leased = |row: &&Row| row.is_claimed && row.delivery.next_attempt_at > Some(now);
        for row in self.deliveries.values().filter(is_leased).filter(|row| !ended.contains(&row.delivery.id)) {
            *counts.entry(&row.delivery.endpoint).or_default() += 1;
        }
        counts
    }

    /// How many attempts an endpoint may get now that has so many under way.
    fn free(&self, endpoint: &Endpoint, now: Timestamp, under_way: usize) -> usize {
        let slots = endpoint
            .limits
            .rate
            .map_or(usize::MAX, |rate| rate.free(self.slots.get(&endpoint.id).copied().unwrap_or_default(), now));
        let places = match self.next_probe(&endpoint.id) {
            None => most(endpoint).saturating_sub(under_way),
            Some(probe) if probe <= now => 1,
            Some(_) => 0,
        };
        places.min(slots)
    }

    fn next_probe(&self, id: &EndpointId) -> Option<Timestamp> {
        Some(self.healths.get(id)?.open.as_ref()?.next_probe_at)
    }

    /// Chooses what to claim: by turns of tenants, then of their endpoints.
    pub(super) fn choose(&self, now: Timestamp, room: &Room) -> Vec<DeliveryId> {
        let (mut by_endpoint, mut by_tenant) = (self.leased(now, &room.ended), room.in_flight.clone());
        let under_way = |endpoint: &Endpoint| by_endpoint.get(&endpoint.id).copied().unwrap_or(0);
        let mut free: HashMap<&EndpointId, usize> = (self.endpoints.values())
            .map(|endpoint| (&endpoint.id, self.free(endpoint, now, under_way(endpoint))))
            .collect();
        let mut candidates = Vec::new();
        for delivery in self.due(now) {
            let Some(free @ 1..) = free.get_mut(&delivery.endpoint) else { continue };
            *free -= 1;
            let turn = by_endpoint.entry(&delivery.endpoint).or_default();
            *turn += 1;
            candidates.push((*turn, delivery));
        }
        candidates.sort_by_key(|(turn, delivery)| (*turn, delivery.next_attempt_at, &delivery.id));
        let mut ranked = Vec::new();
        for (_, delivery) in candidates {
            let turn = by_tenant.entry(delivery.tenant.clone()).or_default();
            *turn += 1;
            if *turn <= room.per_tenant {
                ranked.push((*turn, delivery));
            }
        }
        ranked.sort_by_key(|(turn, delivery)| (*turn, delivery.next_attempt_at, &delivery.id));
        let common = room.limit.saturating_sub(room.reserved);
        let chosen = ranked.into_iter().take(room.limit).enumerate();
        let chosen = chosen.filter(|(place, (turn, _))| *turn <= room.few || *place < common);
        chosen.map(|(_, (_, delivery))| delivery.id.clone()).collect()
    }

    /// When the next delivery can be claimed of those that there is room for.
    pub(super) fn next_due(&self, now: Timestamp, room: &Room) -> Option<Timestamp> {
        let leased = self.leased(now, &room.ended);
        let when = |delivery: &Delivery| {
            let endpoint = self.endpoints.get(&delivery.endpoint).filter(|endpoint| self.is_open(&endpoint.id))?;
            let probe = self.next_probe(&endpoint.id);
            let is_full = leased.get(&endpoint.id).is_some_and(|count| *count >= most(endpoint));
            let is_busy = room.in_flight.get(&endpoint.tenant).copied().unwrap_or(0) >= room.per_tenant_now();
            if (is_full && probe.is_none()) || is_busy {
                return None;
            }
            let slot = endpoint.limits.rate.zip(self.slots.get(&endpoint.id)).map(|(rate, slot)| rate.free_at(*slot));
            Some(delivery.next_attempt_at?.max(probe.unwrap_or_default()).max(slot.unwrap_or_default()))
        };
        self.in_front().filter_map(when).min()
    }
}

/// Most attempts that may be under way for an endpoint.
fn most(endpoint: &Endpoint) -> usize {
    usize::try_from(endpoint.limits.concurrency.count()).unwrap_or(usize::MAX)
}
