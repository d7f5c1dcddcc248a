//! Sessions, as a backend without auth-svc would have opened them.

use std::time::Duration;

use proto::session::v1::{CreateSessionRequest, SessionKind, session_service_client::SessionServiceClient};
use svc_kit::client::{Outgoing, channel};

use crate::stack::Stack;

/// Opens a session of `user` in `application`; returns its id and token.
async fn open(stack: &Stack, user: &str, application: &str) -> (String, String) {
    let url = format!("http://{}", stack.server.addresses.session_grpc);
    let channel = channel(&url, Duration::from_secs(5)).unwrap();
    let mut client = SessionServiceClient::with_interceptor(channel, Outgoing::new(&"dev-operator-key".into()));
    let request = CreateSessionRequest {
        tenant_id: "default".into(),
        user_id: user.into(),
        application_id: application.into(),
        kind: SessionKind::Application.into(),
        ..CreateSessionRequest::default()
    };
    let answer = client.create_session(request).await.unwrap().into_inner();
    (answer.session.unwrap().id, answer.token)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_listed_validated_and_ended() {
    let stack = Stack::start().await;
    let (id, token) = open(&stack, "user_ada", "shop").await;
    let list = stack.run(&["sessions", "list", "--user", "user_ada"]).await;
    assert!(list.text().contains(&id) && list.text().contains("in 30 d"), "{list:?}");
    assert!(stack.run(&["sessions", "get", &id]).await.text().contains("shop"));
    for presented in [&id, &token] {
        assert!(stack.run(&["sessions", "validate", presented]).await.text().starts_with("active\n"));
    }
    let ended = stack.run(&["sessions", "revoke", &id, "--reason", "user", "--comment", "lost phone"]).await;
    assert!(ended.text().starts_with("ended\n") && ended.text().contains("lost phone"), "{ended:?}");
    assert!(stack.run(&["sessions", "revoke", &token]).await.text().starts_with("had ended before"));
    let inactive = stack.run(&["sessions", "validate", &token, "--json"]).await;
    assert_eq!(inactive.code, 1, "{inactive:?}");
    let answer: serde_json::Value = serde_json::from_str(&inactive.stdout).unwrap();
    assert_eq!((&answer["active"], &answer["session"]["end_reason"]), (&false.into(), &"END_REASON_USER".into()));
    assert_eq!(stack.run(&["sessions", "validate", "lkr_forged"]).await.code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_on_stdin_stays_off_the_command_line() {
    let stack = Stack::start().await;
    let (_, token) = open(&stack, "user_ada", "shop").await;
    let environment = stack.environment(&[]);
    let ran = crate::program::run_with_stdin(&["sessions", "validate", "-"], &environment, &format!("{token}\n")).await;
    assert!(ran.text().starts_with("active\n"));
    let ran = crate::program::run_with_stdin(&["sessions", "validate", "-"], &environment, "").await;
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_revocation_ends_what_the_filter_chooses() {
    let stack = Stack::start().await;
    let (kept, _) = open(&stack, "user_ada", "mail").await;
    let (ended, _) = open(&stack, "user_ada", "shop").await;
    let revoke = ["sessions", "revoke", "--user", "user_ada", "--application", "shop"];
    let dry = stack.run(&[&revoke[..], &["--dry-run"]].concat()).await;
    assert_eq!(dry.text(), format!("1 session would end\n  {ended}\n"));
    let list = ["sessions", "list", "--user", "user_ada", "--json"];
    assert_eq!(stack.run(&list).await.json().as_array().unwrap().len(), 2);
    assert_eq!(stack.run(&revoke).await.text(), format!("1 session ended\n  {ended}\n"));
    assert_eq!(stack.run(&list).await.json()[0]["id"], kept.as_str());
    let all = [&list[..], &["--state", "active", "--state", "revoked", "--limit", "1", "--oldest-first"]].concat();
    let first = stack.run(&all).await;
    assert_eq!(first.json()[0]["id"], kept.as_str());
    assert!(first.stderr.contains("--limit"), "{first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_one_json_document_over_all_pages() {
    let stack = Stack::start().await;
    for _ in 0..7 {
        open(&stack, "user_ada", "shop").await;
    }
    let listed = stack.run(&["sessions", "list", "--user", "user_ada", "--json"]).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 7);
    let none = stack.run(&["sessions", "list", "--user", "user_ada", "--created-before", "2d", "--json"]).await.json();
    assert_eq!(none.as_array().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_why_and_have_their_exit_codes() {
    let stack = Stack::start().await;
    let get = ["sessions", "get", "sess_aaaaaaaaaaaaaaaa"];
    let cases = [
        (stack.run_in(&get, &[("LATCHKEY_KEY", "")]).await, 4, "CREDENTIAL_MISSING", "LATCHKEY_KEY"),
        (stack.run_in(&get, &[("LATCHKEY_KEY", "wrong")]).await, 4, "CREDENTIAL_INVALID", "LATCHKEY_KEY"),
        (stack.run(&get).await, 1, "SESSION_NOT_FOUND", "sessions list"),
        (stack.run(&["sessions", "get", "nonsense"]).await, 2, "INVALID_FIELD", "session_id"),
        (stack.run(&["sessions", "list", "--user", "u", "--tenant", "No Such"]).await, 2, "INVALID_FIELD", "tenant_id"),
    ];
    for (ran, code, reason, hint) in cases {
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.stderr.contains(reason) && ran.stderr.contains(hint) && ran.stdout.is_empty(), "{ran:?}");
    }
    let ops = format!("http://{}", stack.server.addresses.session_ops);
    let wrong_port = stack.run_in(&get, &[("LATCHKEY_SESSION_URL", &ops)]).await;
    assert!(wrong_port.code == 5 && wrong_port.stderr.contains("gRPC port"), "{wrong_port:?}");
}
