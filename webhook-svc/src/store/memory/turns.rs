//! What may be sent, and whose turn it is.

use std::collections::HashMap;

use svc_kit::clock::Timestamp;

use super::Tables;
use crate::{
    domain::{
        delivery::{Delivery, DeliveryId},
        endpoint::EndpointId,
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
        let deliveries = self.deliveries.values().map(|row| &row.delivery);
        let mut due: Vec<&Delivery> =
            deliveries.filter(is_due).filter(|delivery| self.is_open(&delivery.endpoint)).collect();
        due.sort_by_key(|delivery| (delivery.next_attempt_at, &delivery.id));
        due
    }

    /// Most attempts that an endpoint may have under way now.
    fn bound(&self, id: &EndpointId, now: Timestamp, per_endpoint: usize, under_way: usize) -> usize {
        match self.next_probe(id) {
            None => per_endpoint,
            Some(probe) if probe <= now => under_way + 1,
            Some(_) => 0,
        }
    }

    pub(super) fn next_probe(&self, id: &EndpointId) -> Option<Timestamp> {
        Some(self.healths.get(id)?.open.as_ref()?.next_probe_at)
    }

    /// Chooses what to claim: by turns of tenants, then of their endpoints.
    pub(super) fn choose(&self, now: Timestamp, room: &Room) -> Vec<DeliveryId> {
        let mut by_endpoint: HashMap<&EndpointId, usize> = HashMap::new();
        let mut by_tenant: HashMap<&str, usize> = HashMap::new();
        for (id, count) in &room.in_flight {
            if let Some(endpoint) = self.endpoints.get(id) {
                by_endpoint.insert(id, *count);
                *by_tenant.entry(&endpoint.tenant).or_default() += count;
            }
        }
        let bounds: HashMap<EndpointId, usize> = (self.endpoints.keys())
            .map(|id| (id.clone(), self.bound(id, now, room.per_endpoint, by_endpoint.get(id).copied().unwrap_or(0))))
            .collect();
        let mut candidates = Vec::new();
        for delivery in self.due(now) {
            let turn = by_endpoint.entry(&delivery.endpoint).or_default();
            if bounds.get(&delivery.endpoint).is_some_and(|bound| *turn < *bound) {
                *turn += 1;
                candidates.push((*turn, delivery));
            }
        }
        candidates.sort_by_key(|(turn, delivery)| (*turn, delivery.next_attempt_at, &delivery.id));
        let mut ranked = Vec::new();
        for (_, delivery) in candidates {
            let turn = by_tenant.entry(&delivery.tenant).or_default();
            *turn += 1;
            if *turn <= room.per_tenant {
                ranked.push((*turn, delivery));
            }
        }
        ranked.sort_by_key(|(turn, delivery)| (*turn, delivery.next_attempt_at, &delivery.id));
        ranked.into_iter().take(room.limit).map(|(_, delivery)| delivery.id.clone()).collect()
    }
}
