//! The events that reached the bus.

use std::sync::{Arc, Mutex};

use prost::Message as _;
use proto::event::v1::Event;
use svc_kit::bus::{Handler, Message, Outcome};

/// Collects events; clones share what was collected.
#[derive(Clone, Default)]
pub struct Events(Arc<Mutex<Vec<Event>>>);

impl Handler for Events {
    async fn handle(&self, batch: &[Message]) -> Vec<Outcome> {
        let events = batch.iter().map(|message| Event::decode(message.body.clone()).unwrap());
        self.0.lock().unwrap().extend(events);
        vec![Outcome::Done; batch.len()]
    }
}

impl Events {
    pub fn all(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }
}
