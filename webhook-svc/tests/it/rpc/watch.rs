//! `WatchEvents`: the log, as it grows.

use proto::webhook::v1::{
    EndpointState, ListEventsRequest, UpdateEndpointRequest, WatchEventsRequest, WatchEventsResponse,
    watch_events_request::Start,
};
use tonic::{Code, Streaming};

use super::{create, on_both_stacks, refusal};
use crate::support::{
    database, eventually,
    sink::Sink,
    stack::{Stack, StackBuilder, session_revoked},
};

on_both_stacks!(
    a_stream_stands_at_once_and_shows_what_arrives,
    a_stream_goes_on_where_another_one_stopped,
    only_chosen_types_are_shown_and_the_place_moves_on,
    a_quiet_stream_shows_signs_of_life,
    streams_of_a_tenant_are_bounded,
    from_push_to_pull_and_back_nothing_is_lost,
    a_slow_reader_loses_nothing,
);

fn request() -> WatchEventsRequest {
    WatchEventsRequest { tenant_id: "acme".into(), heartbeat_seconds: 300, ..Default::default() }
}

async fn watch(stack: &Stack, request: WatchEventsRequest) -> (Streaming<WatchEventsResponse>, String) {
    let mut stream = stack.events().watch_events(request).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert_eq!(first.event, None);
    (stream, first.page_token)
}

/// Reads so many events; returns their ids and the last token.
async fn read(stream: &mut Streaming<WatchEventsResponse>, count: usize) -> (Vec<String>, String) {
    let (mut ids, mut token) = (Vec::new(), String::new());
    while ids.len() < count {
        let message = stream.message().await.unwrap().unwrap();
        ids.extend(message.event.map(|event| event.id));
        token = message.page_token;
    }
    (ids, token)
}

async fn publish(stack: &Stack, ids: impl IntoIterator<Item = usize>) {
    let events: Vec<_> = ids.into_iter().map(|n| session_revoked("acme", &format!("e{n}"), "sess_1")).collect();
    stack.publish(&events).await;
}

/// Waits until the log has so many events.
async fn logged(stack: &Stack, count: usize) {
    eventually("the log", async || {
        let request = ListEventsRequest { tenant_id: "acme".into(), page_size: 500, ..Default::default() };
        let page = stack.events().list_events(request).await.unwrap().into_inner();
        (page.events.len() == count).then_some(())
    })
    .await;
}

async fn a_stream_stands_at_once_and_shows_what_arrives(stack: &Stack) {
    publish(stack, [0]).await;
    logged(stack, 1).await;
    let (mut next, _) = watch(stack, request()).await;
    let oldest = WatchEventsRequest { start: Start::Oldest.into(), ..request() };
    let (mut oldest, _) = watch(stack, oldest).await;
    publish(stack, 1..4).await;
    assert_eq!(read(&mut next, 3).await.0, ["e1", "e2", "e3"]);
    assert_eq!(read(&mut oldest, 4).await.0, ["e0", "e1", "e2", "e3"]);
}

async fn a_stream_goes_on_where_another_one_stopped(stack: &Stack) {
    let (mut stream, begin) = watch(stack, request()).await;
    publish(stack, 0..5).await;
    let (_, token) = read(&mut stream, 2).await;
    drop(stream);
    let (mut again, _) = watch(stack, WatchEventsRequest { page_token: token.clone(), ..request() }).await;
    assert_eq!(read(&mut again, 3).await.0, ["e2", "e3", "e4"]);
    // The tokens are those of the list, both ways.
    let list = ListEventsRequest { tenant_id: "acme".into(), page_token: token, ..Default::default() };
    let page = stack.events().list_events(list).await.unwrap().into_inner();
    assert_eq!(page.events.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["e2", "e3", "e4"]);
    publish(stack, [5]).await;
    let (mut end, _) = watch(stack, WatchEventsRequest { page_token: page.next_page_token, ..request() }).await;
    assert_eq!(read(&mut end, 1).await.0, ["e5"]);
    let (mut whole, _) = watch(stack, WatchEventsRequest { page_token: begin, ..request() }).await;
    assert_eq!(read(&mut whole, 6).await.0.len(), 6);
}

async fn only_chosen_types_are_shown_and_the_place_moves_on(stack: &Stack) {
    let users = WatchEventsRequest { types: vec!["user.*".into()], heartbeat_seconds: 1, ..request() };
    let (mut stream, token) = watch(stack, users).await;
    publish(stack, 0..3).await;
    logged(stack, 3).await;
    let later = eventually("a sign of life behind the events", async || {
        let message = stream.message().await.unwrap().unwrap();
        assert_eq!(message.event, None);
        (message.page_token != token).then_some(message.page_token)
    })
    .await;
    publish(stack, [3]).await;
    let (mut after, _) = watch(stack, WatchEventsRequest { page_token: later, ..request() }).await;
    assert_eq!(read(&mut after, 1).await.0, ["e3"]);
}

async fn a_quiet_stream_shows_signs_of_life(stack: &Stack) {
    let (mut stream, token) = watch(stack, WatchEventsRequest { heartbeat_seconds: 1, ..request() }).await;
    let heartbeat = stream.message().await.unwrap().unwrap();
    assert_eq!((heartbeat.event, heartbeat.page_token), (None, token));
}

async fn streams_of_a_tenant_are_bounded(stack: &Stack) {
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(watch(stack, request()).await);
    }
    let refused = refusal(stack.events().watch_events(request()).await);
    assert_eq!(refused, (Code::ResourceExhausted, "TOO_MANY_WATCHERS".to_owned()));
    watch(stack, WatchEventsRequest { tenant_id: "other".into(), ..request() }).await;
    streams.clear();
    // The server learns of it a little later.
    eventually("a free place", async || stack.events().watch_events(request()).await.ok()).await;
}

async fn set_state(stack: &Stack, endpoint: &proto::webhook::v1::Endpoint, state: EndpointState) {
    let endpoint = proto::webhook::v1::Endpoint { state: state.into(), ..endpoint.clone() };
    let mask = prost_types::FieldMask { paths: vec!["state".into()] };
    let request = UpdateEndpointRequest { endpoint: Some(endpoint), update_mask: Some(mask) };
    stack.endpoints().update_endpoint(request).await.unwrap();
}

/// As the documents advise: the new way begins before the old one ends, and what was seen already is told by its id.
async fn from_push_to_pull_and_back_nothing_is_lost(stack: &Stack) {
    let sink = Sink::start().await;
    let (endpoint, _) = create(stack, &sink.url).await;
    publish(stack, 0..10).await;
    let (mut stream, _) = watch(stack, request()).await;
    publish(stack, 10..20).await;
    let mut seen: Vec<String> = Vec::new();
    // The endpoint has got what arrived before the stream stood when it has got what the stream shows first.
    let first = read(&mut stream, 1).await.0.remove(0);
    eventually("the backlog is gone", async || {
        let pushed: Vec<String> = sink.received().iter().map(|received| received.event_id()).collect();
        pushed.contains(&first).then_some(())
    })
    .await;
    let before: usize = first.trim_start_matches('e').parse().unwrap();
    sink.wait_for(before + 1).await;
    set_state(stack, &endpoint, EndpointState::Disabled).await;
    seen.push(first);
    publish(stack, 20..30).await;
    seen.extend(read(&mut stream, 30 - before - 1).await.0);
    // And back.
    set_state(stack, &endpoint, EndpointState::Enabled).await;
    publish(stack, 30..40).await;
    seen.extend(read(&mut stream, 10).await.0);
    drop(stream);
    publish(stack, 40..50).await;
    let last = eventually("the last event", async || {
        sink.received().iter().find(|received| received.event_id() == "e49").cloned()
    });
    last.await;
    let everything = eventually("every event by one way or the other", async || {
        let pushed = sink.received().into_iter().map(|received| received.event_id());
        let mut all: Vec<String> = pushed.chain(seen.iter().cloned()).collect();
        all.sort();
        all.dedup();
        (all.len() == 50).then_some(all)
    });
    everything.await;
}

async fn a_slow_reader_loses_nothing(stack: &Stack) {
    let (mut stream, _) = watch(stack, request()).await;
    // Far more than a stream and its connection hold.
    for batch in 0..10 {
        publish(stack, batch * 100..(batch + 1) * 100).await;
    }
    eventually("the log", async || {
        let request = ListEventsRequest {
            tenant_id: "acme".into(),
            types: vec!["session.*".into()],
            page_size: 500,
            page_token: String::new(),
        };
        let mut page = stack.events().list_events(request.clone()).await.unwrap().into_inner();
        let mut count = page.events.len();
        while page.has_more {
            let next = ListEventsRequest { page_token: page.next_page_token, ..request.clone() };
            page = stack.events().list_events(next).await.unwrap().into_inner();
            count += page.events.len();
        }
        (count == 1_000).then_some(())
    })
    .await;
    let (ids, _) = read(&mut stream, 1_000).await;
    assert!(ids.iter().enumerate().all(|(n, id)| *id == format!("e{n}")), "{ids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_says_so_and_does_not_wait_for_its_streams() {
    database::with_database(|url| async move {
        let stack = StackBuilder::postgres(&url).start().await;
        let (mut stream, token) = watch(&stack, request()).await;
        stack.stop().await;
        let refused = loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended as if all were well"),
                Err(status) => break status,
            }
        };
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        // Another server goes on.
        let stack = StackBuilder::postgres(&url).start().await;
        publish(&stack, [0]).await;
        let (mut again, _) = watch(&stack, WatchEventsRequest { page_token: token, ..request() }).await;
        assert_eq!(read(&mut again, 1).await.0, ["e0"]);
        drop(again);
        stack.stop().await;
    })
    .await;
}
