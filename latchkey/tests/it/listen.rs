//! `latchkey listen`, and events that are delivered again.

use std::{process::Stdio, time::Duration};

use proto::webhook::v1::{
    PauseEndpointRequest, PingEndpointRequest, ReplayEventsRequest, delivery_service_client::DeliveryServiceClient,
    endpoint_service_client::EndpointServiceClient,
};
use serde_json::Value;
use svc_kit::{
    client::{Outgoing, channel},
    clock::Timestamp,
};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tonic::service::interceptor::InterceptedService;

use crate::{program::command, stack::Stack};

const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// Starts `latchkey receive` for signed webhooks; returns its address.
async fn receiver(count: &str) -> (tokio::process::Child, String) {
    let arguments = ["receive", "--port", "0", "--secret", SECRET, "--count", count, "--json"];
    let mut child = command(&arguments, &[]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let port: u16 = line.split(['/', ':']).find_map(|part| part.parse().ok()).unwrap();
    // Keeps the pipe open and empty.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, format!("http://127.0.0.1:{port}/hook"))
}

async fn lines(child: tokio::process::Child) -> Vec<Value> {
    let output = child.wait_with_output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn ping(stack: &Stack) -> String {
    let created = stack.run(&["endpoints", "create", "--url", "http://127.0.0.1:1/", "--json"]).await.json();
    let endpoint = created["endpoint"]["id"].as_str().unwrap();
    stack.run(&["endpoints", "ping", endpoint]).await.text();
    endpoint.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_forwards_events_signed_and_goes_on_where_it_stopped() {
    let stack = Stack::start().await;
    let (received, url) = receiver("2").await;
    ping(&stack).await;
    let listen = [
        "listen",
        "--forward",
        &url,
        "--type",
        "endpoint.*",
        "--secret",
        SECRET,
        "--from-start",
        "--count",
        "1",
        "--json",
    ];
    let first = stack.run(&listen).await;
    let line: Value = serde_json::from_str(first.text()).unwrap();
    assert_eq!((line["type"].as_str(), line["status"].as_u64()), (Some("endpoint.pinged"), Some(204)), "{first:?}");
    let (_, rest) = first.stderr.split_once("--resume ").unwrap();
    let token = rest.split_whitespace().next().unwrap();
    let endpoint = ping(&stack).await;
    let again =
        ["listen", "--forward", &url, "--type", "endpoint.*", "--secret", SECRET, "--resume", token, "--count", "1"];
    let second = stack.run(&again).await;
    assert!(second.text().contains("endpoint.pinged") && second.text().contains("204"), "{second:?}");
    let received = lines(received).await;
    assert!(received.iter().all(|webhook| webhook["signature"] == "good"), "{received:?}");
    assert_eq!(received[0]["id"], line["id"]);
    assert_eq!(received[1]["body"]["data"]["endpoint_id"], endpoint.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_says_what_is_wrong() {
    let stack = Stack::start().await;
    ping(&stack).await;
    let nobody = [
        "listen",
        "--forward",
        "http://127.0.0.1:1/",
        "--type",
        "endpoint.*",
        "--from-start",
        "--count",
        "1",
        "--json",
    ];
    let line: Value = serde_json::from_str(stack.run(&nobody).await.text()).unwrap();
    assert!(line["status"].is_null() && line["error"].as_str().unwrap().contains("connect"), "{line}");
    for (arguments, said) in [
        (["listen", "--forward", "ftp://localhost/"], "neither http nor https"),
        (["listen", "--forward", "nowhere"], "--forward"),
    ] {
        let ran = stack.run(&arguments).await;
        assert!(ran.code == 2 && ran.stderr.contains(said), "{ran:?}");
    }
    let alone = [("LATCHKEY_WEBHOOK_URL", "http://127.0.0.1:1")];
    let ran = stack.run_in(&["listen", "--forward", "http://127.0.0.1:1/"], &alone).await;
    assert_eq!(ran.code, 3, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_types_of_events_are_listed_with_their_schemas() {
    let stack = Stack::start().await;
    let listed = stack.run(&["events", "types", "session.*"]).await;
    assert!(listed.text().contains("session.expired") && listed.text().contains("ended by time"), "{listed:?}");
    assert!(!listed.text().contains("user."), "{listed:?}");
    let schemas = stack.run(&["events", "types", "session.revoked", "--schema"]).await.json();
    assert_eq!(schemas[0]["properties"]["type"]["const"], "session.revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_is_delivered_again() {
    let stack = Stack::start().await;
    let (received, url) = receiver("1").await;
    let login = ["login", "ada@example.com", "--application", "demo-web"];
    stack.run_in(&login, &[("LATCHKEY_PASSWORD", "correct horse battery staple")]).await.text();
    let replay = ["deliveries", "replay", "--from", "1h", "--type", "user.login.*", "--only-missing"];
    let tail = ["events", "tail", "--from-start", "--type", "user.login.*", "--count", "1"];
    stack.run(&tail).await.text();
    stack.run(&["endpoints", "create", "--url", &url, "--json"]).await.json();
    let dry = stack.run(&[&replay[..], &["--dry-run"]].concat()).await;
    assert_eq!(dry.text(), "1 events would make 1 deliveries\n");
    let done = stack.run(&[&replay[..], &["--json"]].concat()).await.json();
    assert_eq!((done["event_count"].as_u64(), done["delivery_count"].as_u64()), (Some(1), Some(1)));
    let received = lines(received).await;
    assert_eq!(
        (received[0]["body"]["replayed"].as_bool(), received[0]["body"]["type"].as_str()),
        (Some(true), Some("user.login.success"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_replay_goes_on() {
    let stack = Stack::start().await;
    let created = stack.run(&["endpoints", "create", "--url", "http://127.0.0.1:1/", "--json"]).await.json();
    let endpoint_id = created["endpoint"]["id"].as_str().unwrap().to_owned();
    let url = format!("http://{}", stack.server.addresses.webhook_grpc);
    let key = Outgoing::new(&"dev-operator-key".to_owned().into());
    let line = InterceptedService::new(channel(&url, Duration::from_secs(10)).unwrap(), key);
    let mut endpoints = EndpointServiceClient::new(line.clone());
    // Nothing is sent.
    endpoints.pause_endpoint(PauseEndpointRequest { endpoint_id: endpoint_id.clone() }).await.unwrap();
    // One call of a replay looks at 500.
    for _ in 0..501 {
        endpoints.ping_endpoint(PingEndpointRequest { endpoint_id: endpoint_id.clone() }).await.unwrap();
    }
    let from = Timestamp::from_ms(1_000_000_000_000);
    let request = ReplayEventsRequest {
        tenant_id: "default".to_owned(),
        from: Some(from.to_proto()),
        types: vec!["endpoint.pinged".to_owned()],
        dry_run: true,
        per_second: 50,
        ..Default::default()
    };
    let part = DeliveryServiceClient::new(line).replay_events(request).await.unwrap().into_inner();
    let (from, token) = (from.to_string(), part.next_page_token);
    let replay = ["deliveries", "replay", "--type", "endpoint.pinged", "--dry-run", "--resume", &token, "--from"];
    let rest = stack.run(&[&replay[..], &[&from]].concat()).await;
    let count = 501 - part.event_count;
    assert_eq!(rest.text(), format!("{count} events would make 0 deliveries\n"));
    // With another beginning it is another replay; what is said then is how to go on with that one.
    let other = stack.run(&[&replay[..], &["1h"]].concat()).await;
    assert!(other.code == 2 && other.stderr.contains("PAGE_TOKEN_INVALID"), "{other:?}");
}
