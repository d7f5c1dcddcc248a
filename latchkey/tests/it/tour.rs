//! The five-minute tour, with the real program at every step: sign in, look, refresh, end, be told.

use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{
    program::{command, run_with_stdin},
    stack::Stack,
};

const ADA: &str = "ada@example.com";
const PASSWORD: (&str, &str) = ("LATCHKEY_PASSWORD", "correct horse battery staple");

async fn login(stack: &Stack, print: &str) -> String {
    let ran = stack.run_in(&["login", ADA, "--application", "demo-web", "--print", print], &[PASSWORD]).await;
    ran.text().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_signs_in_is_seen_and_signed_out_and_a_webhook_tells_it() {
    let stack = Stack::start().await;
    // Somebody wants to be told: a receiver on a free port, known after an endpoint has its secret.
    let port = svc_kit::testing::free_port();
    let url = format!("http://localhost:{port}/");
    let create = ["endpoints", "create", "--url", &url, "--event", "session.revoked", "--json"];
    let secret = stack.run(&create).await.json()["secret"].as_str().unwrap().to_owned();
    let port = port.to_string();
    let arguments = ["receive", "--port", &port, "--secret", &secret, "--count", "1", "--json"];
    let mut receiver = command(&arguments, &[]).spawn().unwrap();
    let mut talk = BufReader::new(receiver.stderr.take().unwrap()).lines();
    assert!(talk.next_line().await.unwrap().unwrap().contains("receiving"));

    let shown = stack.run_in(&["login", ADA, "--application", "demo-web"], &[PASSWORD]).await;
    assert!(shown.text().contains("refresh token:  lkr_") && shown.text().contains("access token:"), "{shown:?}");
    let listed = stack.run(&["sessions", "list", "--user", ADA, "--json"]).await.json();
    let id = listed[0]["id"].as_str().unwrap();
    assert_eq!((listed.as_array().unwrap().len(), listed[0]["application_id"].as_str()), (1, Some("demo-web")));
    assert!(stack.run(&["sessions", "validate", id]).await.text().starts_with("active\n"));
    let ended = stack.run(&["sessions", "revoke", "--user", ADA]).await;
    assert!(ended.text().starts_with("1 session ended") && ended.text().contains(id), "{ended:?}");
    assert_eq!(stack.run(&["sessions", "validate", id]).await.code, 1);

    let output = receiver.wait_with_output().await.unwrap();
    let webhook: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&webhook["signature"], &webhook["body"]["type"]), (&"good".into(), &"session.revoked".into()));
    assert_eq!(webhook["body"]["data"]["session"]["id"], id);
    let events = stack.run(&["events", "list", "--type", "session.*", "--json"]).await.json();
    let types: Vec<&str> = events.as_array().unwrap().iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(types, ["session.created", "session.revoked"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_refreshed_introspected_and_given_up() {
    let stack = Stack::start().await;
    let token = login(&stack, "refresh-token").await;
    let refreshed = stack.run(&["refresh", &token, "--application", "demo-web", "--json"]).await.json();
    let access = refreshed["tokens"]["access_token"].as_str().unwrap();
    let introspected = stack.run(&["introspect", access]).await;
    assert!(
        introspected.text().starts_with("active\n") && introspected.text().contains("demo-web"),
        "{introspected:?}"
    );
    let other = stack.run(&["refresh", &token, "--application", "demo-spa"]).await;
    assert!(other.code == 1 && other.stderr.contains("TOKEN_REFUSED"), "{other:?}");
    assert_eq!(stack.run(&["logout", &token]).await.text(), "logged out\n");
    let after = stack.run(&["introspect", access, "--json"]).await;
    assert_eq!(
        (after.code, serde_json::from_str::<serde_json::Value>(&after.stdout).unwrap()),
        (1, serde_json::json!({ "active": false }))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_sign_in_does_not_say_what_was_wrong() {
    let stack = Stack::start().await;
    for (user, password) in [(ADA, "wrong"), ("nobody@example.com", "correct horse battery staple")] {
        let arguments = ["login", user, "--application", "demo-web", "--password-stdin"];
        let ran = run_with_stdin(&arguments, &stack.environment(&[]), password).await;
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains("CREDENTIALS_REFUSED") && ran.stdout.is_empty(), "{ran:?}");
    }
}
