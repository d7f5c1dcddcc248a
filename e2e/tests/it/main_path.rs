//! The main path, the same on both stacks: sign in at the hosted page, be validated on each request, refresh, be signed out
//! by an operator, be refused, and a signed webhook tells of it. One trace id spans it all.

use proto::session::v1::{EndReason, RevokeSessionRequest, revoke_session_request};
use serde_json::Value;
use tonic::Request;

use crate::support::{Backend, Browser, Receiver, RelyingParty, Stack, eventually, with_real};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What a token says, without asking whether it is true: the backend has verified it.
fn claims_of(token: &str) -> Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

async fn main_path(stack: &Stack) {
    let (receiver, secret) = Receiver::registered(stack, &["session.*", "session.refreshed", "user.login.*"]).await;
    let backend = Backend::start(stack).await;
    let relying_party = RelyingParty::discover(&stack.issuer, TRACEPARENT).await;
    let mut browser = Browser::new(TRACEPARENT);

    let tokens = relying_party.sign_in(&mut browser, "ada@example.com", "correct horse battery staple").await;
    let claims = claims_of(&tokens.access);
    let session_id = claims["sid"].as_str().unwrap().to_owned();
    assert_eq!((claims["sub"].as_str(), claims["client_id"].as_str()), (Some(&*tokens.subject), Some("demo-spa")));
    assert_eq!(backend.me(&tokens.access, TRACEPARENT).await, (200, tokens.subject.clone()));

    let (access, refresh) = relying_party.refresh(&tokens.refresh).await.unwrap();
    assert_ne!(refresh, tokens.refresh);
    assert_eq!(claims_of(&access)["sid"], *session_id);
    assert_eq!(backend.me(&access, TRACEPARENT).await.0, 200);

    let mut revoke = Request::new(RevokeSessionRequest {
        session: Some(revoke_session_request::Session::SessionId(session_id.clone())),
        reason: EndReason::Admin.into(),
        comment: "seen enough".to_owned(),
        idempotency_key: String::new(),
    });
    revoke.metadata_mut().insert("traceparent", TRACEPARENT.parse().unwrap());
    let revoked = stack.sessions().revoke_session(revoke).await.unwrap().into_inner();
    assert!(!revoked.already_ended);
    // Its signature and its time are still good; only session-svc knows better.
    assert_eq!(backend.me(&access, TRACEPARENT).await, (401, "INACTIVE_REASON_REVOKED".to_owned()));
    for token in [&refresh, &tokens.refresh] {
        assert_eq!(relying_party.refresh(token).await, Err("invalid_grant".to_owned()));
    }

    let told = eventually("the webhooks", || async {
        let told = receiver.of_session(&session_id);
        told.iter().any(|received| received.event_type() == "session.revoked").then_some(told)
    })
    .await;
    receiver.verify(&secret);
    assert!(receiver.counts().len() >= 3);
    let types: Vec<String> = told.iter().map(|received| received.event_type()).collect();
    let mut sorted = types.clone();
    sorted.sort();
    assert_eq!(sorted, ["session.created", "session.refreshed", "session.revoked"], "{types:?}");
    for received in &told {
        let expected = match received.event_type().as_str() {
            "session.created" => 1,
            "session.refreshed" => 2,
            _ => 3,
        };
        assert_eq!(received.json()["sequence"], expected);
        assert_eq!(received.header("traceparent").get(3..35), Some(TRACE_ID));
    }
    let ended = told.iter().find(|received| received.event_type() == "session.revoked").unwrap().json();
    let session = &ended["data"]["session"];
    assert_eq!(
        (session["end_reason"].as_str(), session["end_comment"].as_str(), session["ended_by"].as_str()),
        (Some("END_REASON_ADMIN"), Some("seen enough"), Some("operator:dev"))
    );
    // One sign-in failed and one did not; both are told, and neither with what was typed.
    let logins = eventually("the events of the sign-in", || async {
        let logins: Vec<String> = receiver.all().iter().map(|received| received.event_type()).collect();
        ["user.login.failed", "user.login.success"].iter().all(|name| logins.iter().any(|t| t == name)).then_some(())
    });
    logins.await;
    let everything: String = receiver.all().iter().map(|received| received.json().to_string()).collect();
    for secret in ["correct horse", "not the password", refresh.as_str(), tokens.refresh.as_str()] {
        assert!(!everything.contains(secret), "a webhook holds {secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_signs_in_and_is_signed_out_on_the_stack_in_memory() {
    main_path(&Stack::in_memory().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_signs_in_and_is_signed_out_on_real_servers() {
    with_real(async |real| main_path(&real.stack).await).await;
}
