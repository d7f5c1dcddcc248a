//! Names of one test's own on the RabbitMQ that all tests share, and what arrives there.

use std::sync::Arc;

use lapin::{
    Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
};
use secrecy::SecretString;
use svc_kit::{
    boot::Parts,
    bus::{self, DEAD_QUEUE, EXCHANGE, IN_QUEUE, PARTITIONS, UNROUTED_QUEUE},
    config::{BusConfig, BusKind},
};

use super::{
    Events,
    service::{Setting, random_name},
};

pub struct Broker {
    pub events: Events,
    url: String,
    prefix: String,
    parts: Parts,
}

impl Broker {
    /// Begins to collect the events that are published under a new prefix.
    pub fn start() -> Self {
        let url = std::env::var("LATCHKEY_TEST_AMQP_URL")
            .unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".to_owned());
        let (events, prefix, parts) = (Events::default(), format!("{}.", random_name()), Parts::system());
        let urls = vec![SecretString::from(url.clone())];
        let config = BusConfig { kind: BusKind::Rabbitmq, urls, prefix: prefix.clone() };
        bus::consume(&config, &parts, events.clone(), Arc::new(|_| {})).unwrap();
        Self { events, url, prefix, parts }
    }

    pub fn settings(&self) -> [Setting<'static>; 2] {
        [("LATCHKEY_BUS__URLS", self.url.clone()), ("LATCHKEY_BUS__PREFIX", self.prefix.clone())]
    }

    /// Removes everything that was declared.
    pub async fn stop(self) {
        self.parts.lifecycle.shutdown();
        self.parts.lifecycle.hard().cancel();
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let name = |name: &str| format!("{}{name}", self.prefix);
        let partitions = (0..PARTITIONS).map(|partition| name(&format!("{IN_QUEUE}.{partition:02}")));
        for queue in partitions.chain([name(DEAD_QUEUE), name(UNROUTED_QUEUE)]) {
            channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        }
        for exchange in [name(EXCHANGE), name(DEAD_QUEUE), name(UNROUTED_QUEUE)] {
            channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default()).await.unwrap();
        }
    }
}
