//! Endpoints, deliveries and events.

use serde_json::Value;

use crate::stack::{Stack, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_created_changed_and_deleted() {
    let stack = Stack::start().await;
    let create = ["endpoints", "create", "--url", "http://localhost:1/", "--event", "session.*", "--json"];
    let created = stack.run(&create).await.json();
    assert!(created["secret"].as_str().unwrap().starts_with("whsec_"));
    let id = created["endpoint"]["id"].as_str().unwrap();
    let list = stack.run(&["endpoints", "list"]).await;
    assert!(list.text().contains(id) && list.text().contains("session.*"), "{list:?}");
    let update = ["endpoints", "update", id, "--description", "mine", "--state", "disabled", "--json"];
    let updated = stack.run(&update).await.json();
    assert_eq!(
        (updated["description"].as_str(), updated["state"].as_str()),
        (Some("mine"), Some("ENDPOINT_STATE_DISABLED"))
    );
    assert!(stack.run(&["endpoints", "get", id]).await.text().contains("mine"));
    let rotated = stack.run(&["endpoints", "rotate-secret", id, "--json"]).await.json();
    assert_ne!(rotated["secret"], created["secret"]);
    assert_eq!(stack.run(&["endpoints", "delete", id]).await.text(), "deleted\n");
    let again = stack.run(&["endpoints", "delete", id]).await;
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("ENDPOINT_NOT_FOUND"), "{again:?}");
    assert!(!stack.run(&["endpoints", "list"]).await.text().contains(id));
    // The default tenant keeps the one that its application's logouts go to.
    let empty = stack.run(&["endpoints", "list", "--tenant", "nobody"]).await;
    assert_eq!((empty.text(), empty.stderr.as_str()), ("", "no endpoints\n"));
    let empty = stack.run(&["endpoints", "list", "--tenant", "nobody", "--json"]).await;
    assert_eq!(empty.json(), Value::Array(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_says_how_it_is_sent_to() {
    let stack = Stack::start().await;
    let create = [
        "endpoints",
        "create",
        "--url",
        "http://localhost:1/",
        "--signature",
        "both",
        "--header",
        "x-shop: 1",
        "--secret-header",
        "authorization: Bearer hunter2",
        "--payload",
        "ids",
        "--retry",
        "5s,1h",
        "--json",
    ];
    let created = stack.run(&create).await.json();
    assert!(created["secret"].as_str().unwrap().starts_with("whsec_"));
    let id = created["endpoint"]["id"].as_str().unwrap();
    let key = created["endpoint"]["public_key"].as_str().unwrap();
    let shown = stack.run(&["endpoints", "get", id]).await.text().to_owned();
    for part in ["both", key, "x-shop: 1, authorization: (secret)", "ids", "5s, 1h"] {
        assert!(key.starts_with("whpk_") && shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("hunter2"), "{shown}");
    let rotated = stack.run(&["endpoints", "rotate-secret", id, "--overlap", "2h"]).await;
    assert!(rotated.text().contains("whsec_") && rotated.text().contains("whpk_"), "{rotated:?}");
    assert!(rotated.text().contains("in 2 h") && !rotated.text().contains(key), "{rotated:?}");
    let keep = ["endpoints", "update", id, "--secret-header", "authorization:", "--signature", "ed25519", "--json"];
    let kept = stack.run(&keep).await.json();
    assert_eq!(kept["headers"], serde_json::json!([{ "name": "authorization", "secret": true }]));
    assert_eq!((&kept["signature_scheme"], kept.get("secret")), (&"SIGNATURE_SCHEME_ED25519".into(), None));
    let back =
        ["endpoints", "update", id, "--signature", "hmac", "--no-headers", "--usual-retries", "--payload", "full"];
    let back = stack.run(&back).await;
    assert!(back.text().contains("secret: whsec_") && back.text().contains("full"), "{back:?}");
    for gone in ["authorization", "5s", "whpk_"] {
        assert!(!back.text().contains(gone), "{gone}: {back:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_to_nobody_is_seen_in_its_delivery_and_tried_again() {
    let stack = Stack::start().await;
    let created = stack.run(&["endpoints", "create", "--url", "http://127.0.0.1:1/", "--json"]).await.json();
    let endpoint = created["endpoint"]["id"].as_str().unwrap();
    let ping = stack.run(&["endpoints", "ping", endpoint, "--json"]).await.json();
    let id = ping["delivery_id"].as_str().unwrap();
    eventually("an attempt", async || {
        let delivery = stack.run(&["deliveries", "get", id, "--json"]).await.json();
        (delivery["attempts"][0]["verdict"] == "CONNECT").then_some(())
    })
    .await;
    let shown = stack.run(&["deliveries", "get", id]).await;
    assert!(shown.text().contains("VERDICT") && shown.text().contains("connect"), "{shown:?}");
    assert!(stack.run(&["deliveries", "list", "--endpoint", endpoint, "--state", "pending"]).await.text().contains(id));
    assert!(stack.run(&["deliveries", "redeliver", id]).await.text().contains("pending"));
    let events = stack.run(&["events", "list", "--type", "endpoint.*", "--json"]).await.json();
    assert_eq!(events[0]["type"], "endpoint.pinged");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_prints_events_as_they_arrive() {
    let stack = Stack::start().await;
    let created = stack.run(&["endpoints", "create", "--url", "http://127.0.0.1:1/", "--json"]).await.json();
    let endpoint = created["endpoint"]["id"].as_str().unwrap();
    let arguments =
        ["events", "tail", "--from-start", "--type", "endpoint.*", "--count", "2", "--interval", "50ms", "--json"];
    let tail = stack.run(&arguments);
    let pings = async {
        stack.run(&["endpoints", "ping", endpoint]).await.text();
        stack.run(&["endpoints", "ping", endpoint]).await.text();
    };
    let (tail, ()) = tokio::join!(tail, pings);
    let types: Vec<Value> =
        tail.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].take()).collect();
    assert_eq!(types, ["endpoint.pinged", "endpoint.pinged"]);
}
