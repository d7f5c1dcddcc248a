//! What misbehaves is told apart, each with its own verdict, and nobody else is the worse for it.

use std::time::Duration;

use proto::webhook::v1::{Attempt, DeliveryState, EndpointState, GetEndpointRequest};
use svc_kit::clock::Timestamp;

use super::{
    animals::{Animal, Habit},
    tried, verdict,
};
use crate::{
    rpc::create,
    support::{
        eventually,
        sink::Sink,
        stack::{Stack, StackBuilder, session_revoked},
    },
};

/// What the loop-back interface may hold of an answer that nobody reads any more.
const BUFFERED_MAX: usize = 16 * 1024 * 1024;

/// An endpoint at an animal, and the first attempt to send `e1` to it.
async fn first_attempt(stack: &Stack, endpoint: &str) -> Attempt {
    tried(stack, endpoint, "e1", 1).await.attempts.remove(0)
}

async fn publish(stack: &Stack, id: &str) {
    stack.publish(&[session_revoked("acme", id, &format!("sess_{id}"))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_take_their_time_are_left_and_hold_up_nobody() {
    let stack = StackBuilder::memory().start().await;
    let silent = Animal::start(Habit::Silent).await;
    let (drips, endless) = (Animal::start(Habit::Drips).await, Animal::start(Habit::Endless).await);
    let sink = Sink::start().await;
    let [silent_id, drips_id, endless_id] =
        [create(&stack, &silent.url).await, create(&stack, &drips.url).await, create(&stack, &endless.url).await]
            .map(|(endpoint, _)| endpoint.id);
    let healthy = create(&stack, &sink.url).await.0;
    publish(&stack, "e1").await;
    // First of all: each takes ten at once, and whatever is not among them waits until those are given up.
    eventually("the first attempts are under way", async || {
        let connected = [&silent, &drips, &endless].map(Animal::connections);
        connected.iter().all(|count| *count > 0).then_some(())
    })
    .await;
    for n in 0..50 {
        publish(&stack, &format!("more{n}")).await;
    }
    // Everything has arrived at the healthy one while the first attempts at the others are still being made.
    sink.wait_for(51).await;
    let id = webhook_svc::domain::endpoint::EndpointId::parse(&silent_id).unwrap();
    let id = webhook_svc::domain::delivery::DeliveryId::of(&id, "e1").to_string();
    let request = proto::webhook::v1::GetDeliveryRequest { delivery_id: id };
    let waiting = stack.deliveries().get_delivery(request).await.unwrap().into_inner().delivery.unwrap();
    assert!(waiting.attempts.is_empty(), "{waiting:?}");

    let endless_took = first_attempt(&stack, &endless_id).await;
    assert_eq!(verdict(&endless_took), ("OK", 200, ""), "{endless_took:?}");
    assert_eq!(endless_took.response, "x".repeat(1024));
    let silent_took = first_attempt(&stack, &silent_id).await;
    assert_eq!(verdict(&silent_took), ("TIMEOUT", 0, "FIRST_BYTE"), "{silent_took:?}");
    assert_eq!(silent_took.detail, "not within 15 s");
    assert!((14_000..20_000).contains(&silent_took.duration_ms), "{silent_took:?}");
    assert!(silent_took.first_byte_ms() > 14_000 && silent_took.body_ms.is_none(), "{silent_took:?}");
    let drips_took = first_attempt(&stack, &drips_id).await;
    assert_eq!(verdict(&drips_took), ("TIMEOUT", 0, "BODY"), "{drips_took:?}");
    assert!(drips_took.first_byte_ms() < 5_000 && drips_took.body_ms() > 9_000, "{drips_took:?}");
    let attempts = endless.connections();
    assert!(endless.written() < attempts * BUFFERED_MAX, "{} in {attempts}", endless.written());

    let request = proto::webhook::v1::GetEndpointHealthRequest { endpoint_id: healthy.id };
    let health = stack.endpoints().get_endpoint_health(request).await.unwrap().into_inner().health.unwrap();
    assert_eq!((health.attempt_count, health.success_rate), (51, 1.0));
    assert!(health.latency_p99_ms < 2_000, "{health:?}");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_answer_has_its_own_verdict() {
    let stack = StackBuilder::memory().start().await;
    let headers = format!("HTTP/1.1 200 OK\r\nx-filler: {}\r\ncontent-length: 0\r\n\r\n", "x".repeat(100 * 1024));
    let many = format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", "x-filler: x\r\n".repeat(8_000));
    let says = |text: &str| Habit::Says(text.to_owned());
    let redirect =
        "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest/meta-data\r\ncontent-length: 0\r\n\r\n";
    let cases = [
        (says(redirect), ("STATUS", 302, ""), "redirects are not followed"),
        (Habit::Resets, ("OK", 200, ""), "the answer broke off"),
        (Habit::Says(headers), ("BROKEN", 0, "FIRST_BYTE"), "the head of the answer is too large"),
        (Habit::Says(many), ("BROKEN", 0, "FIRST_BYTE"), "the head of the answer is too large"),
        (says("SSH-2.0-OpenSSH_9.2\r\n\r\n"), ("BROKEN", 0, "FIRST_BYTE"), "the answer is not HTTP"),
        (says(""), ("BROKEN", 0, "FIRST_BYTE"), "the connection was closed before an answer"),
        (says("HTTP/1.1 200 O"), ("BROKEN", 0, "FIRST_BYTE"), "the connection was closed before an answer"),
        (says("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno"), ("STATUS", 404, ""), ""),
    ];
    let mut endpoints = Vec::new();
    for (habit, ..) in &cases {
        let animal = Animal::start(habit.clone()).await;
        endpoints.push(create(&stack, &animal.url).await.0.id);
    }
    let nobody = create(&stack, "http://127.0.0.1:1/").await.0.id;
    let sink = Sink::start().await;
    create(&stack, &sink.url).await;
    publish(&stack, "e1").await;
    sink.wait_for(1).await;
    for ((habit, expected, detail), endpoint) in cases.iter().zip(&endpoints) {
        let attempt = first_attempt(&stack, endpoint).await;
        let what = format!("{habit:?}").chars().take(80).collect::<String>();
        assert_eq!((verdict(&attempt), attempt.detail.as_str()), (*expected, *detail), "{what}");
        assert!(attempt.dns_ms.is_some() && attempt.connect_ms.is_some() && attempt.tls_ms.is_none(), "{attempt:?}");
    }
    let attempt = first_attempt(&stack, &nobody).await;
    assert_eq!(verdict(&attempt), ("CONNECT", 0, "CONNECT"));
    assert!(attempt.detail.contains("refused") && attempt.first_byte_ms.is_none(), "{attempt:?}");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_busy_is_tried_again_when_it_says_within_reason() {
    let stack = StackBuilder::memory().start().await;
    let date = |at: Timestamp| {
        let format = time::macros::format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        at.to_offset().format(format).unwrap()
    };
    let now = svc_kit::clock::Clock::now(&svc_kit::clock::SystemClock);
    let in_an_hour = date(now.saturating_add(Duration::from_secs(3_600)));
    let in_ten_years = date(now.saturating_add(Duration::from_secs(10 * 365 * 86_400)));
    // The first pause of an urgent event is a second, varied by a fifth.
    let cases = [
        ("120".to_owned(), 119.0..121.0),
        (in_an_hour, 3_500.0..3_601.0),
        ("soon".to_owned(), 0.7..1.3),
        ("-5".to_owned(), 0.7..1.3),
        ("0".to_owned(), 0.7..1.3),
        ("315360000".to_owned(), 86_399.0..86_401.0),
        (in_ten_years, 86_399.0..86_401.0),
        ("99999999999999999999999999".to_owned(), 0.7..1.3),
    ];
    let mut endpoints = Vec::new();
    for (asked, _) in &cases {
        let animal = Animal::saying(&format!("429 Too Many Requests\r\nretry-after: {asked}")).await;
        endpoints.push(create(&stack, &animal.url).await.0.id);
    }
    let gone = create(&stack, &Animal::saying("410 Gone").await.url).await.0.id;
    let sink = Sink::start().await;
    create(&stack, &sink.url).await;
    publish(&stack, "e1").await;
    sink.wait_for(1).await;
    for ((asked, expected), endpoint) in cases.iter().zip(&endpoints) {
        let delivery = tried(&stack, endpoint, "e1", 1).await;
        assert_eq!(verdict(&delivery.attempts[0]), ("STATUS", 429, ""));
        let at = |it: &Option<prost_types::Timestamp>| it.map(|it| it.seconds as f64 + f64::from(it.nanos) / 1e9);
        // If the second attempt was made already, it says when.
        let next = delivery.attempts.get(1).map_or(delivery.next_attempt_at, |attempt| attempt.at);
        let pause = at(&next).unwrap() - at(&delivery.attempts[0].at).unwrap();
        // Half a second for the attempt itself and for a busy machine.
        assert!((expected.start..expected.end + 0.5).contains(&pause), "{asked}: {pause}");
    }
    let delivery = tried(&stack, &gone, "e1", 1).await;
    assert_eq!((verdict(&delivery.attempts[0]), delivery.state()), (("STATUS", 410, ""), DeliveryState::Cancelled));
    let request = GetEndpointRequest { endpoint_id: gone };
    let endpoint = stack.endpoints().get_endpoint(request).await.unwrap().into_inner().endpoint.unwrap();
    assert_eq!((endpoint.state(), endpoint.disabled_reason.as_str()), (EndpointState::Disabled, "GONE"));
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_connection_is_used_again_and_then_takes_no_time() {
    let stack = StackBuilder::memory().start().await;
    let sink = Sink::start().await;
    let endpoint = create(&stack, &sink.url).await.0.id;
    publish(&stack, "e1").await;
    let first = first_attempt(&stack, &endpoint).await;
    assert!(first.dns_ms.is_some() && first.connect_ms.is_some() && first.first_byte_ms.is_some(), "{first:?}");
    // The connection is free a moment after its answer was read.
    for n in 2..100 {
        let event = format!("e{n}");
        publish(&stack, &event).await;
        let next = tried(&stack, &endpoint, &event, 1).await.attempts.remove(0);
        if next.dns_ms.is_none() {
            assert_eq!((next.connect_ms, next.tls_ms, next.first_byte_ms.is_some()), (None, None, true), "{next:?}");
            stack.stop().await;
            return;
        }
    }
    panic!("every request had a connection of its own");
}
