//! Everything in memory: for development, for tests, and the reference for what the port means.

mod deliveries;
mod endpoints;
mod lanes;
mod log;
mod turns;
mod upkeep;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use svc_kit::{bus::Message, clock::Timestamp, outbox::memory::MemoryOutbox};

use crate::{
    domain::{
        delivery::{Attempt, Delivery, DeliveryId, State, Verdict},
        endpoint::{Endpoint, EndpointId},
        health::{Health, RATED_MAX, Recent, WINDOW},
        limits::Slot,
    },
    ports::{Claim, Judgement, LoggedEvent, Outcome, Word},
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
    events: BTreeMap<usize, LoggedEvent>,
    /// Events that there ever were.
    logged: usize,
    positions: HashMap<String, usize>,
    deliveries: HashMap<DeliveryId, Row>,
    healths: HashMap<EndpointId, Health>,
    /// When the endpoints with a rate limit have their next slots.
    slots: HashMap<EndpointId, Slot>,
    /// How many events there were when the endpoints came to match as they do now.
    matches_after: HashMap<EndpointId, usize>,
    sweep: upkeep::Sweep,
    retained_until: Timestamp,
    /// When the applications became what their endpoints follow.
    managed: HashMap<EndpointId, Timestamp>,
    /// The newest attempts of each endpoint, newest first.
    attempts: HashMap<EndpointId, VecDeque<Attempt>>,
}

/// Says whether an attempt says something about its endpoint.
fn is_counted(attempt: &Attempt) -> bool {
    ![Verdict::Ours, Verdict::Moot].map(Verdict::name).contains(&attempt.verdict.as_str())
}

/// Most attempts that are kept of an endpoint.
const ATTEMPTS_MAX: usize = 1_000;

struct Row {
    delivery: Delivery,
    generation: i32,
    step: u32,
    attempts: Vec<Attempt>,
    /// Whether somebody has it, until the next attempt is due.
    is_claimed: bool,
    /// What the event happened to, if the endpoint wanted order when the delivery was made, and the place in that order.
    lane: Option<String>,
    place: u64,
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
        self.positions.insert(event.id.clone(), self.logged);
        self.events.insert(self.logged, event.clone());
        self.logged += 1;
        true
    }

    fn add_delivery(&mut self, event: &LoggedEvent, endpoint: &EndpointId) -> DeliveryId {
        let id = DeliveryId::of(endpoint, &event.id);
        if self.deliveries.contains_key(&id) {
            return id;
        }
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
            is_replay: false,
        };
        let (lane, place) = (self.lane_of(endpoint, event), self.place_of(event));
        let row = Row { delivery, generation: 0, step: 0, attempts: Vec::new(), is_claimed: false, lane, place };
        self.deliveries.insert(id.clone(), row);
        id
    }

    fn cancel_pending(&mut self, endpoint: &EndpointId) {
        let is_meant = |row: &&mut Row| row.delivery.endpoint == *endpoint && row.delivery.state == State::Pending;
        for row in self.deliveries.values_mut().filter(is_meant) {
            row.delivery.state = State::Cancelled;
            row.delivery.next_attempt_at = None;
            row.is_claimed = false;
        }
    }

    /// Records a try; returns the events to send, or `None` when the claim is no longer valid.
    fn record(&mut self, claim: &Claim, mut outcome: Outcome) -> Option<Vec<Message>> {
        let row = self.deliveries.get_mut(&claim.id)?;
        if row.generation != claim.generation || row.delivery.state != State::Pending {
            return None;
        }
        row.attempts.push(outcome.attempt.clone());
        row.step += u32::from(outcome.is_step);
        row.generation += 1;
        row.is_claimed = false;
        row.delivery.attempt_count += 1;
        row.delivery.state = outcome.state;
        row.delivery.next_attempt_at = outcome.next_attempt_at;
        if let Some(judgement) = self.note(&claim.endpoint.id, &outcome) {
            outcome.disable = outcome.disable.or(judgement.disable);
            outcome.events.extend(judgement.events);
        }
        if let Some(reason) = outcome.disable {
            if let Some(endpoint) = self.endpoints.get_mut(&claim.endpoint.id) {
                (endpoint.disabled, endpoint.paused_at) = (Some(reason.to_owned()), None);
            }
            self.healths.remove(&claim.endpoint.id);
            self.cancel_pending(&claim.endpoint.id);
        }
        Some(outcome.events)
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
                let recent = attempts.iter().filter(|attempt| attempt.at >= since && is_counted(attempt));
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

    fn claim(&mut self, id: &DeliveryId, now: Timestamp, lease_until: Timestamp) -> Option<Claim> {
        let row = self.deliveries.get_mut(id)?;
        let endpoint = self.endpoints.get(&row.delivery.endpoint)?.clone();
        let event = self.events.get(self.positions.get(&row.delivery.event)?)?.clone();
        row.generation += 1;
        row.delivery.next_attempt_at = Some(lease_until);
        row.is_claimed = true;
        if let Some(rate) = endpoint.limits.rate {
            let slot = self.slots.entry(endpoint.id.clone()).or_default();
            *slot = rate.take(*slot, now, 1);
        }
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
            is_replay: row.delivery.is_replay,
            lane: row.lane.clone(),
        })
    }
}
