//! Consumes the queues of every partition; rebuilds everything after any error.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, future};
use lapin::{
    Channel, Connection, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable},
};
use secrecy::SecretString;

use super::{connect, within};
use crate::{
    bus::{BATCH_MAX, Backoff, BusError, Handler, Message, OnAttached, PARTITIONS, settle, topology},
    config::BusConfig,
    error::chain,
    lifecycle::Lifecycle,
    telemetry::TraceContext,
};

/// Consumes from RabbitMQ over one connection, with a channel for each partition.
pub struct RabbitConsumer {
    urls: Vec<SecretString>,
    prefix: String,
}

impl RabbitConsumer {
    /// Makes a consumer that is not attached yet.
    pub fn new(config: &BusConfig) -> Self {
        Self { urls: config.urls.clone(), prefix: config.prefix.clone() }
    }

    /// Consumes as a task of `lifecycle`.
    pub(in crate::bus) fn spawn<H: Handler>(self, handler: H, on_attached: OnAttached, lifecycle: &Lifecycle) {
        let token = lifecycle.clone();
        lifecycle.spawn("bus consumer", async move {
            let handler = Arc::new(handler);
            let mut backoff = Backoff::new();
            while !token.is_draining() {
                let failure = self.consume(&*handler, &on_attached, &token).await;
                if token.is_draining() {
                    break;
                }
                tracing::warn!(error = chain(&failure), "detached from the bus; attaching again");
                on_attached(Err("detached from the broker".to_owned()));
                tokio::select! {
                    () = backoff.wait() => {}
                    () = token.soft().cancelled() => {}
                }
            }
            Ok::<_, Infallible>(())
        });
    }

    /// Attaches and consumes until something fails or shutdown begins.
    async fn consume<H: Handler>(&self, handler: &H, on_attached: &OnAttached, lifecycle: &Lifecycle) -> BusError {
        let connection = match connect(&self.urls, "latchkey consumer").await {
            Ok(connection) => connection,
            Err(error) => return error,
        };
        let partitions = match self.attach(&connection).await {
            Ok(partitions) => partitions,
            Err(error) => return error,
        };
        on_attached(Ok(()));
        let loops = partitions.into_iter().map(|(channel, consumer)| {
            Box::pin(async move { consume_queue(channel, consumer, handler, lifecycle).await })
        });
        let (failure, _, _others) = future::select_all(loops).await;
        // Closing gives the partitions to another replica at once; without it the broker waits for the heartbeat.
        let _ = within(connection.close(200, "done".into())).await;
        failure
    }

    async fn attach(&self, connection: &Connection) -> Result<Vec<(Channel, Consumer)>, BusError> {
        let channel = within(connection.create_channel()).await?;
        within(topology::declare_exchanges(&channel, &self.prefix)).await?;
        within(topology::declare_queues(&channel, &self.prefix)).await?;
        let mut partitions = Vec::with_capacity(usize::from(PARTITIONS));
        for partition in 0..PARTITIONS {
            let channel = within(connection.create_channel()).await?;
            within(channel.basic_qos(BATCH_MAX, BasicQosOptions::default())).await?;
            let queue = topology::queue_name(&self.prefix, partition);
            let options = BasicConsumeOptions::default();
            let consumer =
                within(channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default())).await?;
            partitions.push((channel, consumer));
        }
        Ok(partitions)
    }
}

async fn consume_queue<H: Handler>(
    channel: Channel,
    mut consumer: Consumer,
    handler: &H,
    lifecycle: &Lifecycle,
) -> BusError {
    loop {
        let first = tokio::select! {
            next = consumer.next() => next,
            () = lifecycle.soft().cancelled() => return BusError::Closed,
        };
        let mut deliveries = match first {
            Some(Ok(delivery)) => vec![delivery],
            Some(Err(error)) => return BusError::Broker(Box::new(error)),
            None => return BusError::Closed,
        };
        // Whatever has arrived already joins the batch; nothing waits for more.
        while deliveries.len() < usize::from(BATCH_MAX) {
            match consumer.next().now_or_never() {
                Some(Some(Ok(delivery))) => deliveries.push(delivery),
                Some(Some(Err(error))) => return BusError::Broker(Box::new(error)),
                Some(None) => return BusError::Closed,
                None => break,
            }
        }
        let batch: Vec<Message> = deliveries.iter().map(message_of).collect();
        let dead = match settle(handler, &batch, lifecycle).await {
            Ok(dead) => dead,
            Err(error) => return error,
        };
        if let Err(error) = acknowledge(&channel, &deliveries, &dead).await {
            return error;
        }
    }
}

/// Puts the dead messages aside and takes all others off the queue.
async fn acknowledge(channel: &Channel, deliveries: &[Delivery], dead: &[bool]) -> Result<(), BusError> {
    for (delivery, _) in deliveries.iter().zip(dead).filter(|(_, is_dead)| **is_dead) {
        within(channel.basic_nack(delivery.delivery_tag, BasicNackOptions::default())).await?;
    }
    let Some(last) = deliveries.iter().zip(dead).rev().find(|(_, is_dead)| !**is_dead) else { return Ok(()) };
    within(channel.basic_ack(last.0.delivery_tag, BasicAckOptions { multiple: true })).await
}

fn message_of(delivery: &Delivery) -> Message {
    let headers = delivery.properties.headers().clone().unwrap_or_default();
    let header = |name: &str| match headers.inner().get(name) {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        _ => String::new(),
    };
    Message {
        id: delivery.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default(),
        routing_key: delivery.routing_key.to_string(),
        body: Bytes::copy_from_slice(&delivery.data),
        trace: TraceContext::parse(&header("traceparent"), &header("tracestate")).unwrap_or_default(),
    }
}
