//! Back-channel logout: applications are told of their sessions' ends.

use axum::http::StatusCode;
use prost_types::FieldMask;
use proto::{
    event::v1 as event,
    webhook::v1::{
        DeleteEndpointRequest, Delivery, DeliveryState, Endpoint, EndpointKind, EndpointState, GetDeliveryRequest,
        ListDeliveriesRequest, ListEndpointsRequest, PauseEndpointRequest, PingEndpointRequest, ResumeEndpointRequest,
        RotateSecretRequest, UpdateEndpointRequest,
    },
};
use svc_kit::clock::{Clock as _, SystemClock};
use tonic::Code;

use super::{on_both_stacks, refusal};
use crate::support::{
    auth::TOKEN,
    eventually,
    sink::Sink,
    stack::{Stack, session_revoked},
};

on_both_stacks!(
    an_application_is_told_with_a_token_as_a_form,
    each_attempt_has_a_token_of_its_own,
    a_token_that_is_refused_is_not_sent_again,
    a_receiver_is_not_blamed_when_there_is_no_token,
    nobody_is_told_whose_application_is_gone,
    an_endpoint_that_follows_an_application_is_not_changed_by_hand,
    an_application_that_wants_no_tokens_any_more_gets_none,
    what_is_no_event_about_an_application_says_nothing_about_its_address,
);

fn application(event_type: &str, data: event::event::Data) -> event::Event {
    event::Event {
        id: format!("evt_{event_type}_{}", SystemClock.now().as_ms()).replace('.', "_"),
        r#type: event_type.to_owned(),
        tenant_id: "acme".to_owned(),
        occurred_at: Some(SystemClock.now().to_proto()),
        aggregate_id: "app_shop".to_owned(),
        application_id: "app_shop".to_owned(),
        data: Some(data),
        ..Default::default()
    }
}

/// The application is created with this address; returns its endpoint.
async fn created(stack: &Stack, url: &str) -> Endpoint {
    let (application_id, backchannel_logout_uri) = ("app_shop".to_owned(), url.to_owned());
    let created = event::ApplicationCreated { application_id, backchannel_logout_uri };
    stack.publish(&[application("application.created", event::event::Data::ApplicationCreated(created))]).await;
    eventually("the endpoint", async || endpoints(stack).await.into_iter().next()).await
}

async fn what_is_no_event_about_an_application_says_nothing_about_its_address(stack: &Stack) {
    let data = |application_id: &str| {
        let backchannel_logout_uri = "https://shop.example/logout".to_owned();
        let application_id = application_id.to_owned();
        event::event::Data::ApplicationCreated(event::ApplicationCreated { application_id, backchannel_logout_uri })
    };
    // Put aside, and of another type.
    let without_id = event::Event { id: String::new(), ..application("application.created", data("app_none")) };
    let other_type = application("user.created", data("app_none"));
    stack.publish(&[without_id, other_type, application("application.created", data("app_shop"))]).await;
    let found =
        eventually("the endpoint", async || Some(endpoints(stack).await).filter(|found| !found.is_empty())).await;
    assert_eq!(found.iter().map(|found| &found.application_ids[..]).collect::<Vec<_>>(), [["app_shop"]]);
}

async fn endpoints(stack: &Stack) -> Vec<Endpoint> {
    let request = ListEndpointsRequest { tenant_id: "acme".into(), ..Default::default() };
    stack.endpoints().list_endpoints(request).await.unwrap().into_inner().endpoints
}

async fn deliveries(stack: &Stack) -> Vec<Delivery> {
    let request = ListDeliveriesRequest { tenant_id: "acme".into(), ..Default::default() };
    stack.deliveries().list_deliveries(request).await.unwrap().into_inner().deliveries
}

/// Waits until the one delivery is like this, and returns it with its attempts.
async fn delivery(stack: &Stack, is_like: impl Fn(&Delivery) -> bool) -> Delivery {
    let id = eventually("the delivery", async || deliveries(stack).await.into_iter().find(|it| is_like(it))).await.id;
    let request = GetDeliveryRequest { delivery_id: id };
    stack.deliveries().get_delivery(request).await.unwrap().into_inner().delivery.unwrap()
}

async fn end_session(stack: &Stack) {
    stack.publish(&[session_revoked("acme", "e1", "sess_1")]).await;
}

async fn an_application_is_told_with_a_token_as_a_form(stack: &Stack) {
    let sink = Sink::start().await;
    let endpoint = created(stack, &sink.url).await;
    assert_eq!((endpoint.kind(), endpoint.url.as_str()), (EndpointKind::OidcBackchannelLogout, sink.url.as_str()));
    assert_eq!(endpoint.application_ids, ["app_shop"]);
    end_session(stack).await;
    let received = sink.wait_for(1).await.remove(0);
    assert_eq!(received.header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(received.body, format!("logout_token={TOKEN}1"));
    assert!(received.headers.keys().all(|name| !name.as_str().starts_with("webhook-")), "{received:?}");
    let asked = stack.auth.asked().remove(0);
    assert_eq!((asked.tenant_id.as_str(), asked.application_id.as_str()), ("acme", "app_shop"));
    assert_eq!((asked.user_id.as_str(), asked.session_id.as_str()), ("user_ada", "sess_1"));
    let done = delivery(stack, |it| it.state() == DeliveryState::Succeeded).await;
    assert_eq!((done.endpoint_id, done.event_id.as_str()), (endpoint.id, "e1"));
    assert_eq!((done.attempts[0].verdict.as_str(), done.attempts[0].status_code), ("OK", 204));
}

async fn each_attempt_has_a_token_of_its_own(stack: &Stack) {
    let sink = Sink::answering(|n, _| if n == 0 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }).await;
    created(stack, &sink.url).await;
    end_session(stack).await;
    delivery(stack, |it| it.state() == DeliveryState::Succeeded).await;
    let bodies: Vec<_> = sink.received().into_iter().map(|received| received.body).collect();
    assert_eq!(bodies, [format!("logout_token={TOKEN}1"), format!("logout_token={TOKEN}2")]);
}

async fn a_token_that_is_refused_is_not_sent_again(stack: &Stack) {
    let sink = Sink::answering(|_, _| StatusCode::BAD_REQUEST).await;
    created(stack, &sink.url).await;
    end_session(stack).await;
    let given_up = delivery(stack, |it| it.state() == DeliveryState::Exhausted).await;
    assert_eq!((given_up.attempt_count, given_up.attempts[0].status_code), (1, 400));
}

async fn a_receiver_is_not_blamed_when_there_is_no_token(stack: &Stack) {
    let sink = Sink::start().await;
    let endpoint = created(stack, &sink.url).await;
    stack.auth.refuse(Code::Unavailable, "STORE_UNAVAILABLE");
    end_session(stack).await;
    let waits = delivery(stack, |it| it.attempt_count > 0).await;
    assert_eq!((waits.state(), waits.attempts[0].verdict.as_str()), (DeliveryState::Pending, "OURS"));
    let request = proto::webhook::v1::GetEndpointHealthRequest { endpoint_id: endpoint.id };
    let health = stack.endpoints().get_endpoint_health(request).await.unwrap().into_inner().health.unwrap();
    assert_eq!(
        (health.condition(), health.attempt_count),
        (proto::webhook::v1::endpoint_health::Condition::Healthy, 0)
    );
    assert!(sink.received().is_empty());
}

async fn nobody_is_told_whose_application_is_gone(stack: &Stack) {
    let sink = Sink::start().await;
    created(stack, &sink.url).await;
    stack.auth.refuse(Code::NotFound, "APPLICATION_NOT_FOUND");
    end_session(stack).await;
    let moot = delivery(stack, |it| it.state() == DeliveryState::Cancelled).await;
    assert_eq!((moot.attempt_count, moot.attempts[0].verdict.as_str()), (1, "MOOT"));
    assert!(sink.received().is_empty());
}

async fn an_endpoint_that_follows_an_application_is_not_changed_by_hand(stack: &Stack) {
    let sink = Sink::start().await;
    let endpoint = created(stack, &sink.url).await;
    let id = || endpoint.id.clone();
    let mut client = stack.endpoints();
    let managed = (Code::FailedPrecondition, "ENDPOINT_MANAGED".to_owned());
    let change = Endpoint { url: "http://127.0.0.1:1/".into(), ..endpoint.clone() };
    let mask = FieldMask { paths: vec!["url".into()] };
    let update = UpdateEndpointRequest { endpoint: Some(change), update_mask: Some(mask) };
    assert_eq!(refusal(client.update_endpoint(update).await), managed);
    assert_eq!(refusal(client.delete_endpoint(DeleteEndpointRequest { endpoint_id: id() }).await), managed);
    assert_eq!(refusal(client.rotate_secret(RotateSecretRequest { endpoint_id: id(), overlap: None }).await), managed);
    assert_eq!(refusal(client.ping_endpoint(PingEndpointRequest { endpoint_id: id() }).await), managed);
    client.pause_endpoint(PauseEndpointRequest { endpoint_id: id() }).await.unwrap();
    end_session(stack).await;
    delivery(stack, |it| it.state() == DeliveryState::Pending).await;
    assert!(sink.received().is_empty());
    client.resume_endpoint(ResumeEndpointRequest { endpoint_id: id(), drain_per_second: 0 }).await.unwrap();
    sink.wait_for(1).await;
}

async fn an_application_that_wants_no_tokens_any_more_gets_none(stack: &Stack) {
    let sink = Sink::start().await;
    created(stack, &sink.url).await;
    let deleted = event::ApplicationDeleted { application_id: "app_shop".to_owned() };
    stack.publish(&[application("application.deleted", event::event::Data::ApplicationDeleted(deleted))]).await;
    let endpoint = eventually("the end", async || {
        endpoints(stack).await.into_iter().find(|found| found.state() == EndpointState::Disabled)
    })
    .await;
    assert_eq!(endpoint.disabled_reason, "REMOVED");
    let witness = Sink::start().await;
    super::create(stack, &witness.url).await;
    end_session(stack).await;
    witness.wait_for(1).await;
    assert!(sink.received().is_empty() && stack.auth.asked().is_empty());
}
