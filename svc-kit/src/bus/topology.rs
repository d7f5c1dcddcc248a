//! Exchanges and queues (RabbitMQ 3.10 features only).
//!
//! | name | kind | for |
//! |---|---|---|
//! | `latchkey.events` | topic exchange | every event; key `<partition>.<type>.v1` |
//! | `webhook.in.<partition>` | quorum queue, single active consumer, delivery limit 20 | one for each partition |
//! | `latchkey.dead` | fanout exchange and quorum queue | messages that nobody can deal with |
//! | `latchkey.unrouted` | fanout exchange and quorum queue | messages that no queue takes: kept, never lost |

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::PARTITIONS;

/// The exchange that events are published to.
pub const EXCHANGE: &str = "latchkey.events";
/// Where messages go that no queue takes.
pub const UNROUTED_QUEUE: &str = "latchkey.unrouted";
/// Where messages go that nobody can deal with.
pub const DEAD_QUEUE: &str = "latchkey.dead";
/// Start of the names of webhook-svc's queues; the partition follows.
pub const IN_QUEUE: &str = "webhook.in";

/// How often a message may be delivered before it is put aside.
const DELIVERY_LIMIT: i64 = 20;

/// Declares what publishers need: exchanges, and the queue for what no other takes.
pub(super) async fn declare_exchanges(channel: &Channel, prefix: &str) -> lapin::Result<()> {
    let unrouted = format!("{prefix}{UNROUTED_QUEUE}");
    declare_aside(channel, &unrouted).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("alternate-exchange".into(), text(&unrouted));
    let name = format!("{prefix}{EXCHANGE}");
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(name.as_str().into(), ExchangeKind::Topic, options, arguments).await
}

/// Declares the queues of every partition.
pub(super) async fn declare_queues(channel: &Channel, prefix: &str) -> lapin::Result<()> {
    let dead = format!("{prefix}{DEAD_QUEUE}");
    declare_aside(channel, &dead).await?;
    for partition in 0..PARTITIONS {
        let mut arguments = quorum();
        arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(DELIVERY_LIMIT));
        arguments.insert("x-dead-letter-exchange".into(), text(&dead));
        let name = queue_name(prefix, partition);
        channel.queue_declare(name.as_str().into(), QueueDeclareOptions::durable(), arguments).await?;
        let (exchange, pattern) = (format!("{prefix}{EXCHANGE}"), format!("{partition:02}.#"));
        bind(channel, &name, &exchange, &pattern).await?;
    }
    Ok(())
}

/// Name of the queue of a partition.
pub(super) fn queue_name(prefix: &str, partition: u16) -> String {
    format!("{prefix}{IN_QUEUE}.{partition:02}")
}

/// A fanout exchange and a queue of one name, where messages wait for people.
async fn declare_aside(channel: &Channel, name: &str) -> lapin::Result<()> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(name.into(), ExchangeKind::Fanout, options, FieldTable::default()).await?;
    channel.queue_declare(name.into(), QueueDeclareOptions::durable(), quorum()).await?;
    bind(channel, name, name, "").await
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, pattern: &str) -> lapin::Result<()> {
    let options = QueueBindOptions::default();
    channel.queue_bind(queue.into(), exchange.into(), pattern.into(), options, FieldTable::default()).await
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}
