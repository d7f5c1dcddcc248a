//! What is looked after without being asked.

use std::collections::HashSet;

use svc_kit::clock::Timestamp;

use super::{MemoryStore, Row, Tables};
use crate::{
    domain::{
        delivery::{DeliveryId, State},
        endpoint::{Endpoint, EndpointId},
    },
    ports::{ReconcileBounds, Reconciled, Repairs, Retained, Retention, StoreError, UpkeepStore},
};

/// Where the reconciler goes on, and when.
#[derive(Default)]
pub(super) struct Sweep {
    position: usize,
    next_at: Timestamp,
}

impl Tables {
    /// Notes that from now on an endpoint matches in another way.
    pub(super) fn matches_from_now(&mut self, id: &EndpointId) {
        self.matches_after.insert(id.clone(), self.logged);
    }

    fn add_missing(&mut self, since: Timestamp, limit: usize) -> usize {
        let mut missing = Vec::new();
        let recent = self.events.range(self.sweep.position..).filter(|(_, event)| event.received_at >= since);
        for (position, event) in recent.take(limit) {
            let is_lacking = |endpoint: &&Endpoint| {
                self.matches_after.get(&endpoint.id).is_some_and(|after| position >= after)
                    && endpoint.wants(event.subject())
                    && !self.deliveries.contains_key(&DeliveryId::of(&endpoint.id, &event.id))
            };
            let lacking = self.endpoints.values().filter(is_lacking);
            missing.extend(lacking.map(|endpoint| (event.clone(), endpoint.id.clone())));
        }
        for (event, endpoint) in &missing {
            self.add_delivery(event, endpoint);
        }
        missing.len()
    }

    /// Changes the rows that are not as they should be.
    fn repair(&mut self, is_broken: impl Fn(&Row) -> bool, repair: impl Fn(&mut Row)) -> usize {
        let mut broken: Vec<&mut Row> = self.deliveries.values_mut().filter(|row| is_broken(row)).collect();
        broken.iter_mut().for_each(|row| repair(row));
        broken.len()
    }

    /// Removes events that arrived before and that nothing pending needs.
    fn remove_events(&mut self, before: Timestamp) -> usize {
        let pending = self.deliveries.values().filter(|row| row.delivery.state == State::Pending);
        let needed: HashSet<String> = pending.map(|row| row.delivery.event.clone()).collect();
        let all = self.events.len();
        self.events.retain(|_, event| event.received_at >= before || needed.contains(&event.id));
        let events = &self.events;
        self.positions.retain(|_, position| events.contains_key(&*position));
        all - self.events.len()
    }

    fn cancel_orphans(&mut self) -> usize {
        let enabled = self.endpoints.values().filter(|endpoint| endpoint.disabled.is_none());
        let enabled: Vec<EndpointId> = enabled.map(|endpoint| endpoint.id.clone()).collect();
        self.repair(
            |row| row.delivery.state == State::Pending && !enabled.contains(&row.delivery.endpoint),
            |row| {
                (row.delivery.state, row.delivery.next_attempt_at) = (State::Cancelled, None);
                row.is_claimed = false;
            },
        )
    }
}

impl UpkeepStore for MemoryStore {
    async fn reconcile(&self, now: Timestamp, bounds: ReconcileBounds) -> Result<Reconciled, StoreError> {
        let mut tables = self.lock();
        if tables.sweep.next_at > now {
            return Ok(Reconciled::default());
        }
        let before = now.saturating_sub(bounds.lapsed_after);
        let since = now.saturating_sub(bounds.age_max);
        let recent = tables.events.range(tables.sweep.position..).filter(|(_, event)| event.received_at >= since);
        let looked_at = recent.take(bounds.events);
        let (events, last) = looked_at.fold((0, 0), |(count, _), (position, _)| (count + 1, *position));
        let repairs = Repairs {
            missing: tables.add_missing(since, bounds.events),
            timeless: tables.repair(
                |row| row.delivery.state == State::Pending && row.delivery.next_attempt_at.is_none(),
                |row| row.delivery.next_attempt_at = Some(now),
            ),
            lapsed: tables.repair(
                |row| row.is_claimed && row.delivery.next_attempt_at < Some(before),
                |row| row.is_claimed = false,
            ),
            // Who is in front is found out anew each time.
            stranded: 0,
            orphaned: tables.cancel_orphans(),
        };
        let is_end = events < bounds.events;
        tables.sweep = Sweep {
            position: if is_end { 0 } else { last + 1 },
            next_at: now.saturating_add(if is_end { bounds.rest } else { bounds.pause }),
        };
        Ok(Reconciled { is_done: true, is_end, events, repairs })
    }

    async fn retain(&self, now: Timestamp, rules: Retention) -> Result<Retained, StoreError> {
        let mut tables = self.lock();
        if tables.retained_until > now {
            return Ok(Retained::default());
        }
        tables.retained_until = now.saturating_add(rules.rest);
        let events = tables.remove_events(now.saturating_sub(rules.payload));
        let (before, all) = (now.saturating_sub(rules.attempts), tables.deliveries.len());
        tables.deliveries.retain(|_, row| row.delivery.state == State::Pending || row.delivery.created_at >= before);
        let deliveries = all - tables.deliveries.len();
        Ok(Retained { is_done: true, is_end: true, events, deliveries, partitions: 0 })
    }
}
