//! The events that reached the bus.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use prost::Message as _;
use proto::event::v1::Event;
use session_svc::{
    domain::{id::Shard, revision::Revision},
    ports::Outbox,
};
use svc_kit::bus::{Handler, Message, Outcome};

use super::eventually;

/// Collects events; clones share what was collected.
#[derive(Clone, Default)]
pub struct Events(Arc<Mutex<Vec<Event>>>);

impl Handler for Events {
    async fn handle(&self, batch: &[Message]) -> Vec<Outcome> {
        let mut events = self.0.lock().unwrap();
        for message in batch {
            let event = Event::decode(message.body.clone()).unwrap();
            assert_eq!(event.id, message.id);
            // Delivery is at least once, as for every consumer: what comes again must be the same.
            match events.iter().find(|before| before.id == event.id) {
                Some(before) => assert_eq!(*before, event),
                None => events.push(event),
            }
        }
        vec![Outcome::Done; batch.len()]
    }
}

impl Events {
    pub fn all(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    /// The types of a session's events so far, with their sequence, in order of arrival.
    pub fn of(&self, session: &str) -> Vec<(String, u64)> {
        let of_session =
            |event: &Event| (event.aggregate_id == session).then(|| (event.r#type.clone(), event.sequence));
        self.all().iter().filter_map(of_session).collect()
    }

    /// Waits until a session has had exactly these events, numbered from 1.
    pub async fn are(&self, session: &str, types: &[&str]) {
        let wanted: Vec<(String, u64)> = types.iter().zip(1..).map(|(name, n)| ((*name).to_owned(), n)).collect();
        let look = || async { (self.of(session).len() >= wanted.len()).then_some(()) };
        eventually(&format!("{types:?} of {session}"), look).await;
        assert_eq!(self.of(session), wanted);
    }
}

/// The first events that wait in some shards.
pub async fn waiting_events(outbox: &impl Outbox, shards: &[Shard], limit: usize) -> Vec<(Shard, Revision, Message)> {
    let starts: Vec<_> = shards.iter().map(|shard| (*shard, Revision::default())).collect();
    outbox.take(&starts, limit, Duration::ZERO).await.unwrap()
}
