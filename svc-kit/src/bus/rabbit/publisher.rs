//! Publishes with confirms, in order, with a window of unconfirmed messages at most.

use std::collections::VecDeque;

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};
use secrecy::SecretString;
use tokio::sync::Mutex;

use super::{connect, within};
use crate::{
    bus::{BusError, EXCHANGE, Message, PublishError, Publisher, WINDOW_MAX, topology},
    config::BusConfig,
};

/// AMQP's `delivery_mode` for messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;

struct Link {
    channel: Channel,
    // Closes when dropped.
    _connection: Connection,
}

/// Publishes to RabbitMQ over a connection of its own, which it builds when needed.
pub struct RabbitPublisher {
    urls: Vec<SecretString>,
    prefix: String,
    link: Mutex<Option<Link>>,
}

impl RabbitPublisher {
    /// Makes a publisher that has no connection yet.
    pub fn new(config: &BusConfig) -> Self {
        Self { urls: config.urls.clone(), prefix: config.prefix.clone(), link: Mutex::new(None) }
    }

    async fn open(&self) -> Result<Link, BusError> {
        let connection = connect(&self.urls, "latchkey publisher").await?;
        let channel = within(connection.create_channel()).await?;
        within(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        within(topology::declare_exchanges(&channel, &self.prefix)).await?;
        // Queues too: an event that is published before the first consumer starts must wait for it.
        within(topology::declare_queues(&channel, &self.prefix)).await?;
        Ok(Link { channel, _connection: connection })
    }

    /// Publishes a batch with no more than a window unconfirmed. Returns how many were confirmed, from its start, and what went wrong.
    async fn publish_all(&self, channel: &Channel, batch: &[Message]) -> (usize, Option<BusError>) {
        let (mut pending, mut confirmed, mut unsent) = (VecDeque::with_capacity(WINDOW_MAX), 0, None);
        for message in batch {
            if pending.len() == WINDOW_MAX {
                // Half a window: the broker confirms the other half while this one is written, in few writes.
                if let Err(error) = settle(&mut pending, WINDOW_MAX / 2, &mut confirmed).await {
                    return (confirmed, Some(error));
                }
            }
            match within(self.send(channel, message)).await {
                Ok(confirm) => pending.push_back(confirm),
                Err(error) => {
                    unsent = Some(error);
                    break;
                }
            }
        }
        let unconfirmed = settle(&mut pending, WINDOW_MAX, &mut confirmed).await.err();
        (confirmed, unconfirmed.or(unsent))
    }

    async fn send(&self, channel: &Channel, message: &Message) -> lapin::Result<PublisherConfirm> {
        let mut headers = FieldTable::default();
        for (name, text) in [("traceparent", &message.trace.traceparent), ("tracestate", &message.trace.tracestate)] {
            if !text.is_empty() {
                headers.insert(name.into(), AMQPValue::LongString(text.as_str().into()));
            }
        }
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_message_id(message.id.as_str().into())
            .with_content_type("application/x-protobuf".into())
            .with_headers(headers);
        let exchange = format!("{}{EXCHANGE}", self.prefix);
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (exchange, key) = (exchange.as_str().into(), message.routing_key.as_str().into());
        channel.basic_publish(exchange, key, options, &message.body, properties).await
    }
}

/// Waits for the confirms of the first `count` messages, and counts them.
async fn settle(pending: &mut VecDeque<PublisherConfirm>, count: usize, confirmed: &mut usize) -> Result<(), BusError> {
    for confirm in pending.drain(..count.min(pending.len())) {
        within(confirm).await.and_then(taken)?;
        *confirmed += 1;
    }
    Ok(())
}

fn taken(confirmation: Confirmation) -> Result<(), BusError> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        // Acknowledged and returned: no queue took it. The alternate exchange makes this a fault of the topology.
        Confirmation::Ack(Some(returned)) => Err(BusError::Unroutable(returned.delivery.routing_key.to_string())),
        Confirmation::Nack(_) | Confirmation::NotRequested => Err(BusError::Refused),
    }
}

impl Publisher for RabbitPublisher {
    async fn publish(&self, batch: &[Message]) -> Result<(), PublishError> {
        let mut link = self.link.lock().await;
        let open = match link.take() {
            Some(open) => open,
            None => self.open().await.map_err(|cause| PublishError { confirmed: 0, cause })?,
        };
        let (confirmed, failure) = self.publish_all(&open.channel, batch).await;
        // A refusal of one message leaves the connection good; after anything else it is not trusted again.
        if matches!(failure, None | Some(BusError::Refused)) {
            *link = Some(open);
        }
        failure.map_or(Ok(()), |cause| Err(PublishError { confirmed, cause }))
    }
}
