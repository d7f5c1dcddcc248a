//! An exchange and queues of our own on a running RabbitMQ, and the yardstick of the bus: publishing without anything around it.

use std::thread;

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{
        BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions, QueueDeleteOptions, QueuePurgeOptions,
    },
};
use svc_kit::{
    bus::{DEAD_QUEUE, EXCHANGE, IN_QUEUE, Message, PARTITIONS, UNROUTED_QUEUE, WINDOW_MAX},
    config::{BusConfig, BusKind},
};

use crate::failure::Failure;

/// Where the broker is, when the environment does not say.
const RABBITMQ: &str = "amqp://guest:guest@127.0.0.1:5672/%2f";
/// Nobody listens here.
const NOWHERE: &str = "amqp://guest:guest@127.0.0.1:1/%2f";
/// AMQP's `delivery_mode` for messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;

/// Where the events of a service go.
pub enum Bus<'b> {
    /// A bus in memory, within the process.
    Memory,
    /// RabbitMQ.
    Rabbit(&'b Broker),
    /// RabbitMQ, if it were there: events wait in the outbox.
    Nowhere,
}

impl Bus<'_> {
    /// Settings of a service that uses it.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let (kind, urls, prefix) = match self {
            Self::Memory => ("memory", NOWHERE, ""),
            Self::Rabbit(broker) => ("rabbitmq", broker.url.as_str(), broker.prefix.as_str()),
            Self::Nowhere => ("rabbitmq", NOWHERE, ""),
        };
        let settings = [("LATCHKEY_BUS__KIND", kind), ("LATCHKEY_BUS__URLS", urls), ("LATCHKEY_BUS__PREFIX", prefix)];
        settings.map(|(name, value)| (name, value.to_owned())).into()
    }
}

/// Names that nobody else uses on a broker; what has them is gone when this is dropped.
pub struct Broker {
    url: String,
    prefix: String,
}

impl Broker {
    /// Finds the broker. Whoever publishes first makes the exchange and the queues.
    pub fn new() -> Self {
        let url = std::env::var("LATCHKEY_TEST_AMQP_URL").unwrap_or_else(|_| RABBITMQ.to_owned());
        Self { url, prefix: format!("latchkey_bench_{}.", std::process::id()) }
    }

    /// How a publisher of ours is set.
    pub fn config(&self) -> BusConfig {
        BusConfig { kind: BusKind::Rabbitmq, urls: vec![self.url.as_str().into()], prefix: self.prefix.clone() }
    }

    /// A publisher without anything of ours.
    ///
    /// # Errors
    /// [`Failure::Rabbit`].
    pub async fn raw(&self) -> Result<Raw, Failure> {
        let (connection, channel) = connect(&self.url).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Raw { channel, exchange: format!("{}{EXCHANGE}", self.prefix), _connection: connection })
    }

    /// Throws away what waits in the queues.
    ///
    /// # Errors
    /// [`Failure::Rabbit`].
    pub async fn purge(&self) -> Result<(), Failure> {
        let (_connection, channel) = connect(&self.url).await?;
        for partition in 0..PARTITIONS {
            let queue = queue(&self.prefix, partition);
            channel.queue_purge(queue.as_str().into(), QueuePurgeOptions::default()).await?;
        }
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let (url, prefix) = (self.url.clone(), self.prefix.clone());
        // On a thread of its own: a measurement that failed in the middle leaves nothing behind either.
        let removed = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(remove(&url, &prefix))
        });
        let _ = removed.join();
    }
}

async fn connect(url: &str) -> Result<(Connection, Channel), Failure> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

fn queue(prefix: &str, partition: u16) -> String {
    format!("{prefix}{IN_QUEUE}.{partition:02}")
}

async fn remove(url: &str, prefix: &str) -> Result<(), Failure> {
    let (_connection, channel) = connect(url).await?;
    let named = |name: &str| format!("{prefix}{name}");
    let partitions = (0..PARTITIONS).map(|partition| queue(prefix, partition));
    for queue in partitions.chain([named(DEAD_QUEUE), named(UNROUTED_QUEUE)]) {
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await?;
    }
    for exchange in [EXCHANGE, DEAD_QUEUE, UNROUTED_QUEUE].map(named) {
        channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default()).await?;
    }
    Ok(())
}

/// Publishes as the bus does, by the client library alone.
pub struct Raw {
    channel: Channel,
    exchange: String,
    // Closes when dropped.
    _connection: Connection,
}

impl Raw {
    /// Publishes `messages`, a window of the bus at a time, and waits for the confirms.
    ///
    /// # Errors
    /// [`Failure`] when the broker does not take a message.
    pub async fn publish(&self, messages: &[Message]) -> Result<(), Failure> {
        for window in messages.chunks(WINDOW_MAX) {
            let mut pending = Vec::with_capacity(window.len());
            for message in window {
                let properties = BasicProperties::default()
                    .with_delivery_mode(PERSISTENT)
                    .with_message_id(message.id.as_str().into())
                    .with_content_type("application/x-protobuf".into());
                let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
                let (exchange, key) = (self.exchange.as_str().into(), message.routing_key.as_str().into());
                pending.push(self.channel.basic_publish(exchange, key, options, &message.body, properties).await?);
            }
            for confirm in pending {
                if !matches!(confirm.await?, Confirmation::Ack(None)) {
                    return Err(Failure::Unexpected("the broker does not take a message".into()));
                }
            }
        }
        Ok(())
    }
}
