//! `ReplayEvents`.

use proto::webhook::v1::{ReplayEventsRequest, ReplayEventsResponse};
use svc_kit::clock::{Clock as _, SystemClock, Timestamp};
use tonic::Code;

use super::{create, on_both_stacks, refusal};
use crate::support::{
    eventually,
    sink::Sink,
    stack::{Stack, session_revoked},
};

on_both_stacks!(
    a_new_endpoint_gets_what_happened_before_it_was_there,
    what_is_wanted_is_chosen,
    a_replay_is_done_in_parts,
    a_replay_that_cannot_be_is_refused,
);

fn request() -> ReplayEventsRequest {
    ReplayEventsRequest {
        tenant_id: "acme".into(),
        from: Some(Timestamp::from_ms(1_000_000_000_000).to_proto()),
        per_second: 10_000,
        ..Default::default()
    }
}

async fn replay(stack: &Stack, request: ReplayEventsRequest) -> ReplayEventsResponse {
    stack.deliveries().replay_events(request).await.unwrap().into_inner()
}

/// Publishes events and waits until the log has them.
async fn happen(stack: &Stack, ids: &[&str]) {
    let events: Vec<_> = ids.iter().map(|id| session_revoked("acme", id, "sess_1")).collect();
    stack.publish(&events).await;
    eventually("the log", async || {
        let request =
            proto::webhook::v1::ListEventsRequest { tenant_id: "acme".into(), page_size: 500, ..Default::default() };
        let page = stack.events().list_events(request).await.unwrap().into_inner();
        ids.iter().all(|id| page.events.iter().any(|event| event.id == **id)).then_some(())
    })
    .await;
}

async fn a_new_endpoint_gets_what_happened_before_it_was_there(stack: &Stack) {
    happen(stack, &["e1", "e2"]).await;
    let sink = Sink::start().await;
    let (endpoint, secret) = create(stack, &sink.url).await;
    let dry = replay(stack, ReplayEventsRequest { dry_run: true, only_missing: true, ..request() }).await;
    assert_eq!((dry.event_count, dry.delivery_count), (2, 2));
    let done = replay(stack, ReplayEventsRequest { only_missing: true, endpoint_id: endpoint.id, ..request() }).await;
    assert_eq!((done.event_count, done.delivery_count, done.next_page_token.as_str()), (2, 2, ""));
    assert!(done.last_due_at.is_some());
    let verifier = standardwebhooks::Webhook::new(&secret).unwrap();
    for received in sink.wait_for(2).await {
        let body = received.json();
        assert_eq!((body["replayed"].as_bool(), body["type"].as_str()), (Some(true), Some("session.revoked")));
        // The mark is signed like the rest.
        verifier.verify(&received.body, &received.headers).unwrap();
    }
    // What is pending is not delivered again.
    eventually("both are recorded", async || {
        let again = replay(stack, ReplayEventsRequest { dry_run: true, ..request() }).await;
        (again.delivery_count == 2).then_some(())
    })
    .await;
    let missing = replay(stack, ReplayEventsRequest { dry_run: true, only_missing: true, ..request() }).await;
    assert_eq!(missing.delivery_count, 0);
    let all = replay(stack, request()).await;
    assert_eq!(all.delivery_count, 2);
    let received = sink.wait_for(4).await;
    // The same deliveries, so the same ids.
    let mut ids: Vec<&str> = received.iter().map(|received| received.header("webhook-id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2);
}

async fn what_is_wanted_is_chosen(stack: &Stack) {
    happen(stack, &["e1", "e2"]).await;
    create(stack, &Sink::start().await.url).await;
    let dry = ReplayEventsRequest { dry_run: true, ..request() };
    let now = Some(SystemClock.now().to_proto());
    for (wanted, count) in [
        (ReplayEventsRequest { types: vec!["user.*".into()], ..dry.clone() }, 0),
        (ReplayEventsRequest { types: vec!["session.*".into()], ..dry.clone() }, 2),
        (ReplayEventsRequest { user_id: "user_ada".into(), ..dry.clone() }, 2),
        (ReplayEventsRequest { user_id: "user_grace".into(), ..dry.clone() }, 0),
        (ReplayEventsRequest { to: request().from, ..dry.clone() }, 0),
        (ReplayEventsRequest { from: now, ..dry.clone() }, 0),
    ] {
        assert_eq!(replay(stack, wanted.clone()).await.event_count, count, "{wanted:?}");
    }
}

async fn a_replay_is_done_in_parts(stack: &Stack) {
    let ids: Vec<String> = (0..600).map(|n| format!("e{n:03}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    happen(stack, &ids[..300]).await;
    happen(stack, &ids[300..301]).await;
    let rest: Vec<_> = ids[301..].iter().map(|id| session_revoked("acme", id, "sess_1")).collect();
    stack.publish(&rest).await;
    let sink = Sink::start().await;
    create(stack, &sink.url).await;
    let whole = eventually("all are logged", async || {
        let (mut parts, mut next) = (0, ReplayEventsRequest { dry_run: true, ..request() });
        let mut events = 0;
        loop {
            let part = replay(stack, next.clone()).await;
            (parts, events) = (parts + 1, events + part.event_count);
            next.page_token = part.next_page_token;
            if next.page_token.is_empty() {
                return (events == 600).then_some(parts);
            }
        }
    })
    .await;
    assert_eq!(whole, 2);
    let first = replay(stack, request()).await;
    assert!(first.delivery_count <= 500 && !first.next_page_token.is_empty());
    let next = ReplayEventsRequest { page_token: first.next_page_token.clone(), ..request() };
    let second = replay(stack, next.clone()).await;
    assert_eq!(second.event_count, 100);
    let refused = refusal(stack.deliveries().replay_events(ReplayEventsRequest { per_second: 1, ..next }).await);
    assert_eq!(refused, (Code::InvalidArgument, "PAGE_TOKEN_INVALID".to_owned()));
    eventually("every event", async || {
        let mut seen: Vec<String> = sink.received().iter().map(|received| received.event_id()).collect();
        seen.sort();
        seen.dedup();
        (seen.len() == 600).then_some(())
    })
    .await;
}

async fn a_replay_that_cannot_be_is_refused(stack: &Stack) {
    let (endpoint, _) = create(stack, "http://127.0.0.1:1/").await;
    let mut deliveries = stack.deliveries();
    let no_start = ReplayEventsRequest { from: None, ..request() };
    assert_eq!(refusal(deliveries.replay_events(no_start).await).0, Code::InvalidArgument);
    let foreign = ReplayEventsRequest { tenant_id: "other".into(), endpoint_id: endpoint.id.clone(), ..request() };
    assert_eq!(refusal(deliveries.replay_events(foreign).await), (Code::NotFound, "ENDPOINT_NOT_FOUND".to_owned()));
    let mask = prost_types::FieldMask { paths: vec!["state".into()] };
    let disabled = proto::webhook::v1::EndpointState::Disabled.into();
    let change = proto::webhook::v1::Endpoint { state: disabled, ..endpoint.clone() };
    let update = proto::webhook::v1::UpdateEndpointRequest { endpoint: Some(change), update_mask: Some(mask) };
    stack.endpoints().update_endpoint(update).await.unwrap();
    let to_disabled = ReplayEventsRequest { endpoint_id: endpoint.id, ..request() };
    let refused = refusal(deliveries.replay_events(to_disabled).await);
    assert_eq!(refused, (Code::FailedPrecondition, "ENDPOINT_DISABLED".to_owned()));
}
