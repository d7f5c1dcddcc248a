//! What becomes of messages on a real RabbitMQ that nobody can deal with.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    time::Duration,
};

use futures::FutureExt as _;
use lapin::{
    Channel, Connection, ConnectionProperties,
    message::BasicGetMessage,
    options::{BasicGetOptions, ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use svc_kit::{
    bus::{DEAD_QUEUE, EXCHANGE, IN_QUEUE, Message, PARTITIONS, Publisher as _, RabbitPublisher, UNROUTED_QUEUE},
    config::{BusConfig, BusKind},
    entropy::{self, OsEntropy},
    telemetry::TraceContext,
};

use crate::support::{
    sink::Sink,
    stack::{StackBuilder, message_of, session_revoked},
    within,
};

/// What comes to rest in quorum queues that were only just declared.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names of the test's own on the broker that all tests share.
struct Names {
    url: String,
    prefix: String,
}

impl Names {
    fn new() -> Self {
        let usual = || "amqp://guest:guest@127.0.0.1:5672/%2f".to_owned();
        let url = std::env::var("LATCHKEY_TEST_AMQP_URL").unwrap_or_else(|_| usual());
        let random = u64::from_be_bytes(entropy::bytes(&OsEntropy));
        Self { url, prefix: format!("latchkey_test_webhook_{random:016x}.") }
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn channel(&self) -> (Connection, Channel) {
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        (connection, channel)
    }

    /// Waits for the next message in a queue.
    async fn next_in(&self, channel: &Channel, queue: &str) -> BasicGetMessage {
        let queue = self.name(queue);
        within(PATIENCE, &queue, async || {
            let options = BasicGetOptions { no_ack: true };
            channel.basic_get(queue.as_str().into(), options).await.unwrap()
        })
        .await
    }

    /// Removes everything that was declared.
    async fn remove(&self) {
        let (_connection, channel) = self.channel().await;
        let partitions = (0..PARTITIONS).map(|partition| self.name(&format!("{IN_QUEUE}.{partition:02}")));
        for queue in partitions.chain([self.name(DEAD_QUEUE), self.name(UNROUTED_QUEUE)]) {
            channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        }
        for exchange in [EXCHANGE, DEAD_QUEUE, UNROUTED_QUEUE] {
            let exchange = self.name(exchange);
            channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default()).await.unwrap();
        }
    }
}

/// What the broker says of a queue that is declared otherwise than it is: the value that it has.
async fn refusal_of_limit(names: &Names, limit: i64) -> Option<String> {
    let (_connection, channel) = names.channel().await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(limit));
    arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString(names.name(DEAD_QUEUE).into()));
    let queue = names.name(&format!("{IN_QUEUE}.00"));
    let declared = channel.queue_declare(queue.as_str().into(), QueueDeclareOptions::durable(), arguments).await;
    declared.err().map(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_deal_with_is_kept_aside() {
    let names = Names::new();
    let ended = AssertUnwindSafe(keeps_aside(&names)).catch_unwind().await;
    names.remove().await;
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}

async fn keeps_aside(names: &Names) {
    let sink = Sink::start().await;
    let stack = StackBuilder::memory()
        .set("BUS__KIND", "rabbitmq")
        .set("BUS__URLS", names.url.clone())
        .set("BUS__PREFIX", names.prefix.clone())
        .start()
        .await;
    crate::rpc::create(&stack, &sink.url).await;
    let urls = vec![names.url.clone().into()];
    let publisher = RabbitPublisher::new(&BusConfig { kind: BusKind::Rabbitmq, urls, prefix: names.prefix.clone() });
    let no_event = Message {
        id: "no_event".to_owned(),
        routing_key: "03.session.revoked.v1".to_owned(),
        body: b"\xff\xff no event".as_slice().into(),
        trace: TraceContext::root(),
    };
    // Of a partition that there is not.
    let nowhere =
        Message { id: "nowhere".to_owned(), routing_key: "99.session.revoked.v1".to_owned(), ..no_event.clone() };
    let good = message_of(&session_revoked("acme", "e1", "sess_1"));
    publisher.publish(&[no_event.clone(), nowhere.clone(), good]).await.unwrap();
    assert_eq!(sink.wait_for(1).await[0].event_id(), "e1");
    let (_connection, channel) = names.channel().await;
    for (queue, message) in [(DEAD_QUEUE, &no_event), (UNROUTED_QUEUE, &nowhere)] {
        let kept = names.next_in(&channel, queue).await;
        assert_eq!(kept.delivery.data, message.body, "{queue}");
        assert_eq!(kept.delivery.routing_key.as_str(), message.routing_key, "{queue}");
        let id = kept.delivery.properties.message_id().as_ref().map(ToString::to_string);
        assert_eq!(id.as_ref(), Some(&message.id), "{queue}");
        let more =
            channel.basic_get(names.name(queue).as_str().into(), BasicGetOptions { no_ack: true }).await.unwrap();
        assert!(more.is_none(), "{queue} has nothing else");
    }
    assert_eq!(refusal_of_limit(names, 20).await, None);
    let refused = refusal_of_limit(names, 21).await.unwrap();
    assert!(refused.contains("x-delivery-limit"), "{refused}");
    stack.stop().await;
}
