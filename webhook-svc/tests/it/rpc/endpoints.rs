//! EndpointService.

use axum::http::StatusCode;
use prost_types::FieldMask;
use proto::webhook::v1::{
    CreateEndpointRequest, DeleteEndpointRequest, Endpoint, EndpointHealth, EndpointState, GetEndpointHealthRequest,
    GetEndpointRequest, ListEndpointsRequest, PauseEndpointRequest, PingEndpointRequest, ResumeEndpointRequest,
    RotateSecretRequest, UpdateEndpointRequest, endpoint_health::Condition,
};
use standardwebhooks::Webhook;
use tonic::Code;

use super::{create, on_both_stacks, refusal};
use crate::support::{
    eventually,
    sink::{Received, Sink},
    slow::Slow,
    stack::{Stack, session_revoked},
};

on_both_stacks!(
    an_endpoint_is_created_read_changed_and_deleted,
    endpoints_are_listed_page_by_page,
    a_ping_arrives_signed_and_nowhere_else,
    during_the_overlap_both_secrets_verify,
    a_disabled_endpoint_gets_nothing_until_it_is_enabled,
    a_paused_endpoint_gets_everything_once_it_is_resumed,
    a_working_endpoint_is_healthy,
    a_dead_endpoint_has_an_open_breaker,
    an_endpoint_gets_no_more_at_once_and_in_a_second_than_it_allows,
);

fn update(endpoint: Endpoint, paths: &[&str]) -> UpdateEndpointRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    UpdateEndpointRequest { endpoint: Some(endpoint), update_mask: Some(FieldMask { paths }) }
}

fn is_signed_by(received: &Received, secret: &str) -> bool {
    Webhook::new(secret).unwrap().verify(&received.body, &received.headers).is_ok()
}

async fn an_endpoint_is_created_read_changed_and_deleted(stack: &Stack) {
    let mut client = stack.endpoints();
    let request = CreateEndpointRequest {
        tenant_id: "acme".into(),
        url: "https://receiver.example/hook".into(),
        description: "first".into(),
        event_types: vec!["session.*".into()],
        application_ids: vec!["app_shop".into()],
        max_concurrency: 3,
        rate_limit_per_second: 20,
        ordered: true,
        ..Default::default()
    };
    let created = client.create_endpoint(request).await.unwrap().into_inner();
    assert!(created.secret.starts_with("whsec_"));
    let endpoint = created.endpoint.unwrap();
    assert_eq!(endpoint.state(), EndpointState::Enabled);
    assert_eq!((endpoint.max_concurrency, endpoint.rate_limit_per_second, endpoint.ordered), (3, 20, true));
    let get = GetEndpointRequest { endpoint_id: endpoint.id.clone() };
    assert_eq!(client.get_endpoint(get.clone()).await.unwrap().into_inner().endpoint, Some(endpoint.clone()));

    let wanted = Endpoint {
        url: "https://other.example/".into(),
        description: "second".into(),
        event_types: vec!["user.*".into()],
        application_ids: vec![],
        max_concurrency: 1_000,
        rate_limit_per_second: 0,
        ordered: false,
        ..endpoint.clone()
    };
    let one_field = client.update_endpoint(update(wanted.clone(), &["description"])).await.unwrap().into_inner();
    let one_field = one_field.endpoint.unwrap();
    assert_eq!((one_field.description.as_str(), &one_field.url), ("second", &endpoint.url));
    let paths = ["url", "event_types", "application_ids", "max_concurrency", "rate_limit_per_second", "ordered"];
    let all = update(wanted.clone(), &paths);
    let changed = client.update_endpoint(all).await.unwrap().into_inner().endpoint.unwrap();
    assert_eq!(Endpoint { updated_at: changed.updated_at, ..wanted }, changed);

    client.delete_endpoint(DeleteEndpointRequest { endpoint_id: endpoint.id.clone() }).await.unwrap();
    let gone = (Code::NotFound, "ENDPOINT_NOT_FOUND".to_owned());
    assert_eq!(refusal(client.get_endpoint(get).await), gone);
    assert_eq!(refusal(client.delete_endpoint(DeleteEndpointRequest { endpoint_id: endpoint.id }).await), gone);
}

async fn endpoints_are_listed_page_by_page(stack: &Stack) {
    let mut created = Vec::new();
    for _ in 0..5 {
        created.push(create(stack, "https://receiver.example/").await.0.id);
    }
    created.sort();
    let (mut listed, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListEndpointsRequest { tenant_id: "acme".into(), page_size: 2, page_token };
        let page = stack.endpoints().list_endpoints(request).await.unwrap().into_inner();
        assert!(page.endpoints.len() <= 2);
        listed.extend(page.endpoints.into_iter().map(|endpoint| endpoint.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, created);
}

async fn a_ping_arrives_signed_and_nowhere_else(stack: &Stack) {
    let (sink, other) = (Sink::start().await, Sink::start().await);
    let (endpoint, secret) = create(stack, &sink.url).await;
    create(stack, &other.url).await;
    let ping = stack.endpoints().ping_endpoint(PingEndpointRequest { endpoint_id: endpoint.id.clone() }).await.unwrap();
    let received = sink.wait_for(1).await.remove(0);
    assert_eq!(received.header("webhook-id"), ping.into_inner().delivery_id);
    assert!(is_signed_by(&received, &secret));
    let body = received.json();
    assert_eq!((&body["type"], &body["data"]["endpoint_id"]), (&"endpoint.pinged".into(), &endpoint.id.into()));
    assert!(other.received().is_empty());
}

async fn during_the_overlap_both_secrets_verify(stack: &Stack) {
    let sink = Sink::start().await;
    let (endpoint, first) = create(stack, &sink.url).await;
    let rotate = RotateSecretRequest { endpoint_id: endpoint.id, overlap: None };
    let second = stack.endpoints().rotate_secret(rotate).await.unwrap().into_inner().secret;
    assert_ne!(first, second);
    stack.publish(&[session_revoked("acme", "e1", "sess_1")]).await;
    let received = sink.wait_for(1).await.remove(0);
    assert!(is_signed_by(&received, &first) && is_signed_by(&received, &second));
    let entries: Vec<_> = received.header("webhook-signature").split(' ').collect();
    assert!(entries.len() == 2 && entries.iter().all(|entry| entry.starts_with("v1,")), "{entries:?}");
}

async fn a_disabled_endpoint_gets_nothing_until_it_is_enabled(stack: &Stack) {
    let (sink, other) = (Sink::start().await, Sink::start().await);
    let (endpoint, _) = create(stack, &sink.url).await;
    create(stack, &other.url).await;
    let mut client = stack.endpoints();
    let state = |state: EndpointState| update(Endpoint { state: state.into(), ..endpoint.clone() }, &["state"]);
    let disabled = client.update_endpoint(state(EndpointState::Disabled)).await.unwrap().into_inner().endpoint.unwrap();
    assert_eq!((disabled.state(), disabled.disabled_reason.as_str()), (EndpointState::Disabled, "DISABLED_BY_CALLER"));
    let ping = PingEndpointRequest { endpoint_id: endpoint.id.clone() };
    assert_eq!(refusal(client.ping_endpoint(ping).await), (Code::FailedPrecondition, "ENDPOINT_DISABLED".to_owned()));
    stack.publish(&[session_revoked("acme", "missed", "sess_1")]).await;
    other.wait_for(1).await;
    let enabled = client.update_endpoint(state(EndpointState::Enabled)).await.unwrap().into_inner().endpoint.unwrap();
    assert_eq!((enabled.state(), enabled.disabled_reason.as_str()), (EndpointState::Enabled, ""));
    stack.publish(&[session_revoked("acme", "seen", "sess_2")]).await;
    assert_eq!(sink.wait_for(1).await[0].event_id(), "seen");
}

async fn a_paused_endpoint_gets_everything_once_it_is_resumed(stack: &Stack) {
    let (sink, witness) = (Sink::start().await, Sink::start().await);
    let (endpoint, _) = create(stack, &sink.url).await;
    create(stack, &witness.url).await;
    let mut client = stack.endpoints();
    let pause = PauseEndpointRequest { endpoint_id: endpoint.id.clone() };
    let paused = client.pause_endpoint(pause.clone()).await.unwrap().into_inner().endpoint.unwrap();
    assert_eq!(paused.state(), EndpointState::Paused);
    assert!(paused.paused_at.is_some());
    let again = client.pause_endpoint(pause.clone()).await.unwrap().into_inner().endpoint.unwrap();
    assert_eq!(again, paused, "pausing again changes nothing");
    for n in 0..5 {
        stack.publish(&[session_revoked("acme", &format!("kept{n}"), &format!("sess_{n}"))]).await;
    }
    witness.wait_for(5).await;
    assert!(sink.received().is_empty());
    let resume = ResumeEndpointRequest { endpoint_id: endpoint.id.clone(), drain_per_second: 1_000 };
    let resumed = client.resume_endpoint(resume.clone()).await.unwrap().into_inner().endpoint.unwrap();
    assert_eq!((resumed.state(), resumed.paused_at), (EndpointState::Enabled, None));
    let mut received: Vec<_> = sink.wait_for(5).await.iter().map(Received::event_id).collect();
    received.sort();
    assert_eq!(received, ["kept0", "kept1", "kept2", "kept3", "kept4"]);

    let disable = Endpoint { state: EndpointState::Disabled.into(), ..resumed };
    client.update_endpoint(update(disable, &["state"])).await.unwrap();
    let disabled = (Code::FailedPrecondition, "ENDPOINT_DISABLED".to_owned());
    assert_eq!(refusal(client.pause_endpoint(pause).await), disabled);
    assert_eq!(refusal(client.resume_endpoint(resume).await), disabled);
}

async fn health(stack: &Stack, endpoint: &Endpoint) -> EndpointHealth {
    let request = GetEndpointHealthRequest { endpoint_id: endpoint.id.clone() };
    stack.endpoints().get_endpoint_health(request).await.unwrap().into_inner().health.unwrap()
}

async fn a_working_endpoint_is_healthy(stack: &Stack) {
    let sink = Sink::start().await;
    let (endpoint, _) = create(stack, &sink.url).await;
    let new = health(stack, &endpoint).await;
    assert_eq!((new.condition(), new.attempt_count, new.backlog_count), (Condition::Healthy, 0, 0));
    stack.publish(&[session_revoked("acme", "e1", "sess_1"), session_revoked("acme", "e2", "sess_2")]).await;
    let healthy = eventually("two attempts", async || {
        let health = health(stack, &endpoint).await;
        (health.attempt_count == 2).then_some(health)
    })
    .await;
    assert_eq!((healthy.condition(), healthy.success_rate, healthy.backlog_count), (Condition::Healthy, 1.0, 0));
    assert!(healthy.last_success_at.is_some() && healthy.last_failure_at.is_none() && healthy.next_probe_at.is_none());
    assert!(healthy.latency_p50_ms <= healthy.latency_p95_ms && healthy.latency_p95_ms <= healthy.latency_p99_ms);
}

async fn a_dead_endpoint_has_an_open_breaker(stack: &Stack) {
    let (dead, witness) = (Sink::answering(|_, _| StatusCode::SERVICE_UNAVAILABLE).await, Sink::start().await);
    let (endpoint, _) = create(stack, &dead.url).await;
    create(stack, &witness.url).await;
    for n in 0..12 {
        stack.publish(&[session_revoked("acme", &format!("e{n}"), &format!("sess_{n}"))]).await;
    }
    let open = eventually("an open breaker", async || {
        let health = health(stack, &endpoint).await;
        // All twelve have arrived, although the breaker may have opened before.
        (health.condition() == Condition::BreakerOpen && health.backlog_count == 12).then_some(health)
    })
    .await;
    assert!(["IN_A_ROW", "RATE"].contains(&open.breaker_reason.as_str()), "{open:?}");
    assert!(open.next_probe_at.is_some() && open.failing_since.is_some() && open.disabled_at.is_some());
    assert_eq!((open.last_failure_verdict.as_str(), open.last_failure_status_code), ("STATUS", 503));
    assert_eq!((open.success_rate, open.backlog_count), (0.0, 12));
    witness.wait_for(12).await;
}

async fn an_endpoint_gets_no_more_at_once_and_in_a_second_than_it_allows(stack: &Stack) {
    let (at_once, paced) = (Slow::start().await, Slow::start().await);
    let limited = |url: &str, max_concurrency, rate_limit_per_second| CreateEndpointRequest {
        tenant_id: "acme".into(),
        url: url.to_owned(),
        max_concurrency,
        rate_limit_per_second,
        ..CreateEndpointRequest::default()
    };
    for request in [limited(&at_once.url, 2, 0), limited(&paced.url, 1_000, 20)] {
        stack.endpoints().create_endpoint(request).await.unwrap();
    }
    let events: Vec<_> = (0..30).map(|n| session_revoked("acme", &format!("e{n}"), &format!("sess_{n}"))).collect();
    let before = std::time::Instant::now();
    stack.publish(&events).await;
    // All come, two at once.
    for more in (2..=30).step_by(2) {
        at_once.wait_for(more).await;
        assert_eq!(at_once.under_way(), 2, "{more}");
        at_once.answer(2);
    }
    paced.answer(30);
    let times = paced.wait_for(30).await;
    // Between the first and the last are 27 intervals of 50 ms: two may begin together, and the last two may as well. Counted
    // from before there was anything to send: the first may be long on its way, which makes the time seen at the receiver
    // shorter, and nothing makes this one shorter.
    let took = times[29] - before;
    assert!(took >= std::time::Duration::from_millis(27 * 50), "{took:?}");
}
