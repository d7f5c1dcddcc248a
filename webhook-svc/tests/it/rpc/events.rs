//! EventService.

use proto::{
    event::v1 as event,
    webhook::v1::{ListEventsRequest, ListEventsResponse},
};

use super::on_both_stacks;
use crate::support::{
    eventually,
    stack::{Stack, session_revoked},
};

on_both_stacks!(events_are_listed_followed_and_chosen_by_type, a_message_that_is_no_event_holds_nothing_up);

fn user_created(id: &str) -> event::Event {
    let data = event::UserCreated { user_id: "user_ada".into() };
    event::Event {
        r#type: "user.created".into(),
        data: Some(event::event::Data::UserCreated(data)),
        // The same aggregate, so that the order is the bus's.
        ..session_revoked("acme", id, "sess_1")
    }
}

async fn page(stack: &Stack, types: &[&str], page_token: &str) -> ListEventsResponse {
    let request = ListEventsRequest {
        tenant_id: "acme".into(),
        types: types.iter().map(|text| (*text).to_owned()).collect(),
        page_token: page_token.into(),
        page_size: 2,
    };
    stack.events().list_events(request).await.unwrap().into_inner()
}

/// Reads the log from its start until it has so many events.
async fn read(stack: &Stack, types: &[&str], count: usize) -> (Vec<String>, String) {
    let (mut ids, mut token) = (Vec::new(), String::new());
    eventually(&format!("{count} events"), async || {
        let next = page(stack, types, &token).await;
        token = next.next_page_token;
        ids.extend(next.events.into_iter().map(|event| event.id));
        (ids.len() >= count && !next.has_more).then_some(())
    })
    .await;
    (ids, token)
}

async fn events_are_listed_followed_and_chosen_by_type(stack: &Stack) {
    stack
        .publish(&[
            session_revoked("acme", "e1", "sess_1"),
            user_created("e2"),
            session_revoked("acme", "e3", "sess_1"),
        ])
        .await;
    stack.publish(&[session_revoked("other", "x", "sess_9")]).await;
    let (ids, end) = read(stack, &[], 3).await;
    assert_eq!(ids, ["e1", "e2", "e3"]);
    assert_eq!(read(stack, &["user.*"], 1).await.0, ["e2"]);
    stack.publish(&[session_revoked("acme", "e4", "sess_1")]).await;
    let followed = eventually("the next event", async || page(stack, &[], &end).await.events.into_iter().next()).await;
    assert_eq!(followed.id, "e4");
    let payload: serde_json::Value = serde_json::from_str(&followed.payload).unwrap();
    assert_eq!(payload["data"]["session"]["id"], "sess_1");
    assert_eq!((payload["type"].as_str(), payload["sequence"].as_u64()), (Some("session.revoked"), Some(2)));
}

async fn a_message_that_is_no_event_holds_nothing_up(stack: &Stack) {
    let bad = [
        event::Event { id: "with.dot".into(), ..session_revoked("acme", "e", "sess_1") },
        event::Event { occurred_at: None, ..session_revoked("acme", "no_time", "sess_1") },
        event::Event { tenant_id: String::new(), ..session_revoked("acme", "no_tenant", "sess_1") },
        event::Event { r#type: String::new(), ..session_revoked("acme", "no_type", "sess_1") },
    ];
    stack.publish(&bad).await;
    stack.publish(&[session_revoked("acme", "good", "sess_1")]).await;
    assert_eq!(read(stack, &[], 1).await.0, ["good"]);
    assert_eq!(stack.bus.dead().len(), bad.len());
}
