//! Everything in memory: for development, for tests, and the reference for what the port means.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use svc_kit::{clock::Timestamp, outbox::memory::MemoryOutbox};

use crate::{
    domain::{
        delivery::{Attempt, Delivery, DeliveryId, State},
        endpoint::{DrainRate, Endpoint, EndpointId},
        health::{Health, RATED_MAX, Recent, WINDOW},
    },
    ports::{
        Claim, DeliveryQuery, DeliveryStore, EndpointReport, EndpointStore, Judgement, LogPosition, LoggedEvent,
        Outcome, ReportBounds, Room, StoreError, Word,
    },
};

/// A store in memory.
#[derive(Default)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
    /// Events of the engine that wait for the bus.
    pub outbox: MemoryOutbox,
}

#[derive(Default)]
struct Tables {
    endpoints: BTreeMap<EndpointId, Endpoint>,
    events: Vec<LoggedEvent>,
    positions: HashMap<String, usize>,
    deliveries: HashMap<DeliveryId, Row>,
    healths: HashMap<EndpointId, Health>,
    /// The newest attempts of each endpoint, newest first.
    attempts: HashMap<EndpointId, VecDeque<Attempt>>,
}

/// Most attempts that are kept of an endpoint.
const ATTEMPTS_MAX: usize = 1_000;

struct Row {
    delivery: Delivery,
    generation: i32,
    step: u32,
    attempts: Vec<Attempt>,
}

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn log(&mut self, event: &LoggedEvent) -> bool {
        if self.positions.contains_key(&event.id) {
            return false;
        }
        self.positions.insert(event.id.clone(), self.events.len());
        self.events.push(event.clone());
        true
    }

    fn add_delivery(&mut self, event: &LoggedEvent, endpoint: &EndpointId) -> DeliveryId {
        let id = DeliveryId::of(endpoint, &event.id);
        let delivery = Delivery {
            id: id.clone(),
            tenant: event.tenant.clone(),
            endpoint: endpoint.clone(),
            event: event.id.clone(),
            event_type: event.event_type.clone(),
            state: State::Pending,
            created_at: event.received_at,
            next_attempt_at: Some(event.received_at),
            attempt_count: 0,
        };
        self.deliveries.insert(id.clone(), Row { delivery, generation: 0, step: 0, attempts: Vec::new() });
        id
    }

    fn cancel_pending(&mut self, endpoint: &EndpointId) {
        let rows = self.deliveries.values_mut().map(|row| &mut row.delivery);
        for delivery in rows.filter(|delivery| delivery.endpoint == *endpoint && delivery.state == State::Pending) {
            delivery.state = State::Cancelled;
            delivery.next_attempt_at = None;
        }
    }

    /// The endpoints that may be sent to.
    fn is_open(&self, id: &EndpointId) -> bool {
        self.endpoints.get(id).is_some_and(|endpoint| endpoint.disabled.is_none() && endpoint.paused_at.is_none())
    }

    /// What is due and may be sent, in order.
    fn due(&self, now: Timestamp) -> Vec<&Delivery> {
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

    fn next_probe(&self, id: &EndpointId) -> Option<Timestamp> {
        Some(self.healths.get(id)?.open.as_ref()?.next_probe_at)
    }

    /// Notes what a try says about its endpoint.
    fn note(&mut self, id: &EndpointId, outcome: &Outcome) -> Option<Judgement> {
        let attempts = self.attempts.entry(id.clone()).or_default();
        attempts.push_front(outcome.attempt.clone());
        attempts.truncate(ATTEMPTS_MAX);
        match &outcome.word {
            Word::Nothing => None,
            Word::Works => {
                self.healths.remove(id);
                None
            }
            Word::Failed(judge) => {
                let since = outcome.attempt.at.saturating_sub(WINDOW);
                let recent = attempts.iter().filter(|attempt| attempt.at >= since && attempt.verdict != "OURS");
                let recent = recent.take(RATED_MAX).fold(Recent::default(), |sum, attempt| Recent {
                    attempts: sum.attempts + 1,
                    failures: sum.failures + u32::from(attempt.verdict != "OK"),
                });
                let judgement = judge.0(self.healths.get(id).cloned(), recent);
                self.healths.insert(id.clone(), judgement.health.clone());
                Some(judgement)
            }
        }
    }

    /// Chooses what to claim: by turns of tenants, then of their endpoints.
    fn choose(&self, now: Timestamp, room: &Room) -> Vec<DeliveryId> {
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

    fn claim(&mut self, id: &DeliveryId, lease_until: Timestamp) -> Option<Claim> {
        let row = self.deliveries.get_mut(id)?;
        let endpoint = self.endpoints.get(&row.delivery.endpoint)?.clone();
        let event = self.events.get(*self.positions.get(&row.delivery.event)?)?.clone();
        row.generation += 1;
        row.delivery.next_attempt_at = Some(lease_until);
        let open = self.healths.get_mut(&endpoint.id).and_then(|health| health.open.as_mut());
        let is_probe = open.is_some();
        if let Some(open) = open {
            // If the probe dies, the next one comes when its lease has ended.
            open.next_probe_at = lease_until;
        }
        Some(Claim {
            is_probe,
            id: id.clone(),
            endpoint,
            event,
            generation: row.generation,
            step: row.step,
            attempt_count: row.delivery.attempt_count,
        })
    }
}

impl EndpointStore for MemoryStore {
    async fn add_endpoint(&self, endpoint: &Endpoint, max: usize) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        let has_room = tables.endpoints.values().filter(|other| other.tenant == endpoint.tenant).count() < max;
        if has_room {
            tables.endpoints.insert(endpoint.id.clone(), endpoint.clone());
        }
        Ok(has_room)
    }

    async fn endpoint(&self, id: &EndpointId) -> Result<Option<Endpoint>, StoreError> {
        Ok(self.lock().endpoints.get(id).cloned())
    }

    async fn endpoints(
        &self,
        tenant: &str,
        after: Option<&EndpointId>,
        limit: usize,
    ) -> Result<Vec<Endpoint>, StoreError> {
        let tables = self.lock();
        let of_tenant = tables.endpoints.values().filter(|endpoint| endpoint.tenant == tenant);
        Ok(of_tenant.filter(|endpoint| after.is_none_or(|after| endpoint.id > *after)).take(limit).cloned().collect())
    }

    async fn put_endpoint(&self, endpoint: &Endpoint, seen: Timestamp) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        let before = match tables.endpoints.get_mut(&endpoint.id) {
            Some(stored) if stored.updated_at == seen => std::mem::replace(stored, endpoint.clone()),
            _ => return Ok(false),
        };
        if endpoint.disabled.is_some() || before.url != endpoint.url {
            tables.healths.remove(&endpoint.id);
        }
        if endpoint.disabled.is_some() {
            tables.cancel_pending(&endpoint.id);
        }
        Ok(true)
    }

    async fn resume_endpoint(
        &self,
        endpoint: &Endpoint,
        seen: Timestamp,
        now: Timestamp,
        per_second: DrainRate,
    ) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        match tables.endpoints.get_mut(&endpoint.id) {
            Some(stored) if stored.updated_at == seen => *stored = endpoint.clone(),
            _ => return Ok(false),
        }
        let overdue = tables.due(now).into_iter().filter(|delivery| delivery.endpoint == endpoint.id);
        let overdue: Vec<DeliveryId> = overdue.map(|delivery| delivery.id.clone()).collect();
        for (before, id) in (0..).zip(overdue) {
            if let Some(row) = tables.deliveries.get_mut(&id) {
                row.delivery.next_attempt_at = Some(per_second.due(now, before));
            }
        }
        Ok(true)
    }

    async fn report(&self, id: &EndpointId, bounds: ReportBounds) -> Result<EndpointReport, StoreError> {
        let tables = self.lock();
        let is_counted = |attempt: &&Attempt| attempt.at >= bounds.since && attempt.verdict != "OURS";
        let attempts = tables.attempts.get(id).into_iter().flatten().filter(is_counted).take(bounds.attempts);
        let attempts = attempts.map(|attempt| Attempt { response: String::new(), ..attempt.clone() }).collect();
        let deliveries = tables.deliveries.values().map(|row| &row.delivery);
        let mut waiting: Vec<&Delivery> =
            deliveries.filter(|delivery| delivery.endpoint == *id && delivery.state == State::Pending).collect();
        waiting.sort_by_key(|delivery| delivery.next_attempt_at);
        waiting.truncate(bounds.backlog);
        Ok(EndpointReport {
            health: tables.healths.get(id).cloned(),
            attempts,
            backlog: waiting.len(),
            oldest_waiting_at: waiting.iter().map(|delivery| delivery.created_at).min(),
        })
    }

    async fn delete_endpoint(&self, id: &EndpointId) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        tables.cancel_pending(id);
        tables.healths.remove(id);
        tables.attempts.remove(id);
        Ok(tables.endpoints.remove(id).is_some())
    }
}

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

    async fn accept_for(&self, event: &LoggedEvent, endpoint: &EndpointId) -> Result<DeliveryId, StoreError> {
        let mut tables = self.lock();
        tables.log(event);
        Ok(tables.add_delivery(event, endpoint))
    }

    async fn claim(&self, now: Timestamp, lease_until: Timestamp, room: &Room) -> Result<Vec<Claim>, StoreError> {
        let mut tables = self.lock();
        let chosen = tables.choose(now, room);
        Ok(chosen.iter().filter_map(|id| tables.claim(id, lease_until)).collect())
    }

    async fn next_due(&self, room: &Room) -> Result<Option<Timestamp>, StoreError> {
        let tables = self.lock();
        let is_full =
            |id: &EndpointId| room.in_flight.iter().any(|(full, count)| full == id && *count >= room.per_endpoint);
        let may_go = |delivery: &&Delivery| tables.is_open(&delivery.endpoint) && !is_full(&delivery.endpoint);
        let deliveries = tables.deliveries.values().map(|row| &row.delivery);
        let when = |delivery: &Delivery| Some(delivery.next_attempt_at?.max(tables.next_probe(&delivery.endpoint)?));
        let when = |delivery: &Delivery| when(delivery).or(delivery.next_attempt_at);
        Ok(deliveries.filter(may_go).filter_map(when).min())
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

    async fn redeliver(&self, id: &DeliveryId, now: Timestamp) -> Result<(), StoreError> {
        if let Some(row) = self.lock().deliveries.get_mut(id) {
            row.generation += 1;
            row.step = 0;
            row.delivery.state = State::Pending;
            row.delivery.next_attempt_at = Some(now);
        }
        Ok(())
    }

    async fn events(
        &self,
        tenant: &str,
        after: LogPosition,
        limit: usize,
    ) -> Result<Vec<(LogPosition, LoggedEvent)>, StoreError> {
        let tables = self.lock();
        let start = usize::try_from(after.0).unwrap_or(0);
        let numbered = (1i64..).zip(&tables.events).skip(start);
        let of_tenant = numbered.filter(|(_, event)| event.tenant == tenant);
        let place = |(position, event): (i64, &LoggedEvent)| (LogPosition(position), event.clone());
        Ok(of_tenant.take(limit).map(place).collect())
    }
}
