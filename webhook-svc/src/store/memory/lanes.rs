//! Lanes: the deliveries of one session to an endpoint that wants order. Only the one in front is tried.

use std::collections::HashMap;

use svc_kit::clock::Timestamp;

use super::{Row, Tables};
use crate::{
    domain::{
        delivery::{Delivery, DeliveryId, State},
        endpoint::EndpointId,
    },
    ports::{LoggedEvent, Redelivered},
};

/// Who is in front, by lane.
pub(super) struct Fronts<'t>(HashMap<(&'t EndpointId, &'t str), &'t Row>);

impl Fronts<'_> {
    /// Says whether another delivery has to end first.
    pub(super) fn is_behind(&self, row: &Row) -> bool {
        let front = row.lane.as_deref().and_then(|lane| self.0.get(&(&row.delivery.endpoint, lane)));
        front.is_some_and(|front| front.delivery.id != row.delivery.id)
    }
}

impl Tables {
    /// The lane that an event comes into at an endpoint.
    pub(super) fn lane_of(&self, endpoint: &EndpointId, event: &LoggedEvent) -> Option<String> {
        let is_ordered = self.endpoints.get(endpoint).is_some_and(|endpoint| endpoint.is_ordered);
        (is_ordered && !event.aggregate.is_empty()).then(|| event.aggregate.clone())
    }

    /// The place of an event in its lane.
    pub(super) fn place_of(&self, event: &LoggedEvent) -> u64 {
        let position = self.positions.get(&event.id).and_then(|position| u64::try_from(*position).ok());
        if event.sequence > 0 { event.sequence } else { position.unwrap_or(0) }
    }

    /// Who is in front: what is being tried, else what happened first.
    pub(super) fn fronts(&self) -> Fronts<'_> {
        let mut fronts: HashMap<(&EndpointId, &str), &Row> = HashMap::new();
        let rank = |row: &Row| (!row.is_claimed, row.place);
        for row in self.deliveries.values().filter(|row| row.delivery.state == State::Pending) {
            if let Some(lane) = row.lane.as_deref() {
                let front = fronts.entry((&row.delivery.endpoint, lane)).or_insert(row);
                if rank(row) < rank(front) {
                    *front = row;
                }
            }
        }
        Fronts(fronts)
    }

    /// What may be tried: everything that waits behind nothing.
    pub(super) fn in_front(&self) -> impl Iterator<Item = &Delivery> {
        let fronts = self.fronts();
        self.deliveries.values().filter(move |row| !fronts.is_behind(row)).map(|row| &row.delivery)
    }

    /// Makes a delivery due again, at the start of its schedule.
    pub(super) fn again(&mut self, id: &DeliveryId, due: Timestamp) -> Redelivered {
        let Some(row) = self.deliveries.get(id) else { return Redelivered::EndpointGone };
        let is_open = self.endpoints.get(&row.delivery.endpoint).is_some_and(|endpoint| endpoint.disabled.is_none());
        let event = self.positions.get(&row.delivery.event).and_then(|position| self.events.get(position)).cloned();
        if !is_open {
            return Redelivered::EndpointGone;
        }
        let Some(event) = event else { return Redelivered::EventGone };
        let (lane, place) = (self.lane_of(&row.delivery.endpoint, &event), self.place_of(&event));
        let Some(row) = self.deliveries.get_mut(id) else { return Redelivered::EndpointGone };
        if row.delivery.state != State::Pending {
            (row.lane, row.place) = (lane, place);
        }
        (row.step, row.is_claimed) = (0, false);
        row.generation += 1;
        row.delivery.state = State::Pending;
        row.delivery.next_attempt_at = Some(due);
        Redelivered::Done
    }
}
