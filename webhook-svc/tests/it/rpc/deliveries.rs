//! DeliveryService.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use axum::http::StatusCode;
use proto::event::v1::Event;
use proto::webhook::v1::{
    CreateEndpointRequest, Delivery, DeliveryState, EndpointState, GetDeliveryRequest, ListDeliveriesRequest,
    RedeliverRequest, UpdateEndpointRequest,
};
use tonic::Code;

use super::{create, on_both_stacks, refusal};
use crate::support::{
    eventually,
    sink::{Received, Sink},
    stack::{Stack, session_revoked},
};

on_both_stacks!(
    a_delivery_is_listed_and_shown_with_its_attempts,
    deliveries_are_listed_page_by_page_and_by_state,
    a_delivery_is_made_again_with_the_same_id,
    a_delivery_to_a_disabled_endpoint_is_not_made_again,
    a_receiver_that_is_gone_gets_nothing_more,
    an_ordered_endpoint_gets_each_session_in_order_while_it_fails,
);

async fn get(stack: &Stack, id: &str) -> Delivery {
    let request = GetDeliveryRequest { delivery_id: id.to_owned() };
    stack.deliveries().get_delivery(request).await.unwrap().into_inner().delivery.unwrap()
}

async fn list(stack: &Stack, state: DeliveryState) -> Vec<Delivery> {
    let request = ListDeliveriesRequest { tenant_id: "acme".into(), state: state.into(), ..Default::default() };
    stack.deliveries().list_deliveries(request).await.unwrap().into_inner().deliveries
}

/// Waits until a delivery stands like this.
async fn wait_for(stack: &Stack, state: DeliveryState, count: usize) -> Vec<Delivery> {
    eventually(&format!("{count} deliveries {state:?}"), async || {
        let found = list(stack, state).await;
        (found.len() == count).then_some(found)
    })
    .await
}

async fn a_delivery_is_listed_and_shown_with_its_attempts(stack: &Stack) {
    let sink = Sink::answering(|n, _| if n == 0 { StatusCode::BAD_GATEWAY } else { StatusCode::OK }).await;
    let (endpoint, _) = create(stack, &sink.url).await;
    stack.publish(&[session_revoked("acme", "e1", "sess_1")]).await;
    // The end of a session is urgent: the second attempt comes after about a second.
    let done = wait_for(stack, DeliveryState::Succeeded, 1).await.remove(0);
    let whole = get(stack, &done.id).await;
    assert_eq!((whole.endpoint_id.as_str(), whole.event_id.as_str()), (endpoint.id.as_str(), "e1"));
    assert_eq!((whole.event_type.as_str(), whole.attempt_count), ("session.revoked", 2));
    assert_eq!(whole.next_attempt_at, None);
    let verdicts: Vec<_> =
        whole.attempts.iter().map(|attempt| (attempt.verdict.as_str(), attempt.status_code)).collect();
    assert_eq!(verdicts, [("STATUS", 502), ("OK", 200)]);
    let received = sink.received();
    assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    assert_eq!(received[0].body, received[1].body);
    // Made anew for each attempt; with the same time, which counts seconds, it comes out the same.
    let is_same = |name| received[0].header(name) == received[1].header(name);
    assert_eq!(is_same("webhook-signature"), is_same("webhook-timestamp"));
}

async fn deliveries_are_listed_page_by_page_and_by_state(stack: &Stack) {
    let sink = Sink::start().await;
    create(stack, &sink.url).await;
    for n in 0..5 {
        stack.publish(&[session_revoked("acme", &format!("e{n}"), "sess_1")]).await;
    }
    let all = wait_for(stack, DeliveryState::Succeeded, 5).await;
    assert!(list(stack, DeliveryState::Pending).await.is_empty());
    let (mut pages, mut page_token) = (Vec::new(), String::new());
    loop {
        let request =
            ListDeliveriesRequest { tenant_id: "acme".into(), page_size: 2, page_token, ..Default::default() };
        let page = stack.deliveries().list_deliveries(request).await.unwrap().into_inner();
        pages.extend(page.deliveries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(pages, all);
}

async fn a_delivery_is_made_again_with_the_same_id(stack: &Stack) {
    let sink = Sink::start().await;
    create(stack, &sink.url).await;
    stack.publish(&[session_revoked("acme", "e1", "sess_1")]).await;
    let done = wait_for(stack, DeliveryState::Succeeded, 1).await.remove(0);
    let request = RedeliverRequest { delivery_id: done.id.clone() };
    let again = stack.deliveries().redeliver(request).await.unwrap().into_inner().delivery.unwrap();
    assert_eq!(again.id, done.id);
    let received = sink.wait_for(2).await;
    assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    eventually("the second result", async || {
        let delivery = get(stack, &done.id).await;
        (delivery.state() == DeliveryState::Succeeded && delivery.attempt_count == 2).then_some(())
    })
    .await;
}

async fn a_delivery_to_a_disabled_endpoint_is_not_made_again(stack: &Stack) {
    let sink = Sink::start().await;
    let (mut endpoint, _) = create(stack, &sink.url).await;
    stack.publish(&[session_revoked("acme", "e1", "sess_1")]).await;
    let done = wait_for(stack, DeliveryState::Succeeded, 1).await.remove(0);
    endpoint.state = EndpointState::Disabled.into();
    let mask = prost_types::FieldMask { paths: vec!["state".into()] };
    let disable = UpdateEndpointRequest { endpoint: Some(endpoint), update_mask: Some(mask) };
    stack.endpoints().update_endpoint(disable).await.unwrap();
    let refused = refusal(stack.deliveries().redeliver(RedeliverRequest { delivery_id: done.id }).await);
    assert_eq!(refused, (Code::FailedPrecondition, "ENDPOINT_DISABLED".to_owned()));
}

async fn a_receiver_that_is_gone_gets_nothing_more(stack: &Stack) {
    let (gone, witness) = (Sink::answering(|_, _| StatusCode::GONE).await, Sink::start().await);
    let (endpoint, _) = create(stack, &gone.url).await;
    create(stack, &witness.url).await;
    stack.publish(&[session_revoked("acme", "e1", "sess_1")]).await;
    // The witness learns that the endpoint was disabled.
    eventually("endpoint.disabled", async || {
        witness.received().into_iter().find(|received| received.json()["type"] == "endpoint.disabled")
    })
    .await;
    let request = proto::webhook::v1::GetEndpointRequest { endpoint_id: endpoint.id };
    let endpoint = stack.endpoints().get_endpoint(request).await.unwrap().into_inner().endpoint.unwrap();
    assert_eq!((endpoint.state(), endpoint.disabled_reason.as_str()), (EndpointState::Disabled, "GONE"));
    assert_eq!(wait_for(stack, DeliveryState::Cancelled, 1).await[0].event_id, "e1");
    stack.publish(&[session_revoked("acme", "e2", "sess_2")]).await;
    tokio::time::timeout(Duration::from_secs(30), witness.wait_for(3)).await.unwrap();
    assert_eq!(gone.received().len(), 1);
}

async fn an_ordered_endpoint_gets_each_session_in_order_while_it_fails(stack: &Stack) {
    let is_about = |received: &Received, session: &str| received.json()["data"]["session"]["id"] == session;
    // Session 1 is refused for a while.
    let refused = AtomicUsize::new(0);
    let sink = Sink::answering(move |_, received| {
        let is_refused = is_about(received, "sess_1") && refused.fetch_add(1, Ordering::Relaxed) < 2;
        if is_refused { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT }
    })
    .await;
    let request =
        CreateEndpointRequest { tenant_id: "acme".into(), url: sink.url.clone(), ordered: true, ..Default::default() };
    stack.endpoints().create_endpoint(request).await.unwrap();
    let event = |session: &str, sequence| Event {
        sequence,
        ..session_revoked("acme", &format!("{session}_{sequence}"), session)
    };
    let events: Vec<_> = (1..=4).flat_map(|n| [event("sess_1", n), event("sess_2", n)]).collect();
    stack.publish(&events).await;
    let received = sink.wait_for(10).await;
    let of = |session| {
        let mine = received.iter().filter(|received| is_about(received, session));
        mine.map(|received| received.json()["sequence"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(of("sess_1"), [1, 1, 1, 2, 3, 4]);
    assert_eq!(of("sess_2"), [1, 2, 3, 4]);
    let last_of_2 = received.iter().rposition(|received| is_about(received, "sess_2")).unwrap();
    let second_of_1 = received.iter().position(|received| received.event_id() == "sess_1_2").unwrap();
    assert!(last_of_2 < second_of_1, "the other session waits for nothing");
}
