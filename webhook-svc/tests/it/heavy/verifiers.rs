//! Real deliveries, verified by code that is not ours: npm, PyPI and crates.io `standardwebhooks`, PyCA's `cryptography` and
//! Node's `crypto`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proto::{
    event::v1::{Event, SessionRevoked, TenantCreated, event::Data},
    session::v1::{Device, Session},
    webhook::v1::{CreateEndpointRequest, Endpoint, RotateSecretRequest, SignatureScheme},
};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use super::parties::{ask, at};
use crate::support::{
    sink::{Received, Sink},
    stack::{Stack, StackBuilder, session_revoked},
};

/// An event with a session that has a device of this name, and this much about it.
fn about(id: &str, name: &str, bytes: usize) -> Event {
    let device = Device { name: name.to_owned(), description: "d".repeat(bytes), ..Device::default() };
    let session = Session { id: id.to_owned(), device: Some(device), ..Session::default() };
    let data = Data::SessionRevoked(SessionRevoked { session: Some(session) });
    Event { data: Some(data), ..session_revoked("acme", id, "sess_1") }
}

/// Bodies that have broken verifiers before.
fn events() -> Vec<Event> {
    let nothing = Event {
        r#type: "tenant.created".to_owned(),
        data: Some(Data::TenantCreated(TenantCreated {})),
        ..session_revoked("acme", "nothing", "acme")
    };
    vec![
        about("emoji", "👩‍💻 🎉 ünïcode \" \\ / <script>", 0),
        about("lines", "a\u{2028}b\u{2029}c\u{feff}d\u{7f}\u{0}e", 0),
        Event { sequence: u64::MAX, ..about("number", "2^64 - 1", 0) },
        nothing,
        about("long", "20 kB", 20_000),
    ]
}

async fn create(stack: &Stack, url: &str, scheme: SignatureScheme) -> (Endpoint, String) {
    let request = CreateEndpointRequest {
        tenant_id: "acme".into(),
        url: url.into(),
        signature_scheme: scheme.into(),
        ..Default::default()
    };
    let created = stack.endpoints().create_endpoint(request).await.unwrap().into_inner();
    (created.endpoint.unwrap(), created.secret)
}

async fn jwks(stack: &Stack, endpoint: &str) -> Value {
    let url = format!("http://{}/endpoints/{endpoint}/jwks", stack.running.http_addr);
    reqwest::get(url).await.unwrap().error_for_status().unwrap().json().await.unwrap()
}

/// What arrived, as the programs take it.
fn deliveries(received: &[Received], secrets: &[&str], public_keys: &[&str], jwks: &Value) -> Vec<Value> {
    let deliveries = received.iter().map(|received| {
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        let headers: Value =
            names.map(|name| (name.to_owned(), Value::from(received.header(name)))).into_iter().collect();
        let body = STANDARD.encode(&received.body);
        json!({ "headers": headers, "body": body, "secrets": secrets, "public_keys": public_keys, "jwks": jwks })
    });
    deliveries.collect()
}

/// Has others look at deliveries: each secret and each key must be good for each, and for nothing else.
async fn verified(deliveries: &[Value], secrets: usize, keys: usize) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deliveries.json").display().to_string();
    std::fs::write(&file, serde_json::to_vec(deliveries).unwrap()).unwrap();
    let expected = json!({ "secrets": vec![true; secrets], "keys": vec![true; keys], "others": 0 });
    let (script, python) = (at("webhook-svc/tests/verifiers/verify.mjs"), at("webhook-svc/tests/verifiers/verify.py"));
    let modules = at(".tools/relying-parties/node/node_modules");
    let by_node = ask(&format!("{modules}/.bin/node"), &[&script, &file, &modules]).await;
    assert_eq!(by_node, Value::Array(vec![expected.clone(); deliveries.len()]), "Node");
    let by_python = ask(&at(".tools/relying-parties/python/bin/python"), &[&python, &file]).await;
    assert_eq!(by_python, Value::Array(vec![expected; deliveries.len()]), "Python");
}

#[tokio::test(flavor = "multi_thread")]
async fn others_verify_what_we_sign() {
    let stack = StackBuilder::memory().start().await;
    let (both, only_key, only_secret) = (Sink::start().await, Sink::start().await, Sink::start().await);
    let (endpoint, first) = create(&stack, &both.url, SignatureScheme::Both).await;
    let (keyed, no_secret) = create(&stack, &only_key.url, SignatureScheme::Ed25519).await;
    let (_, secret) = create(&stack, &only_secret.url, SignatureScheme::Unspecified).await;
    assert_eq!(no_secret, "");
    // One of them has just been rotated: there are two of everything.
    let rotate = RotateSecretRequest { endpoint_id: endpoint.id.clone(), overlap: None };
    let rotated = stack.endpoints().rotate_secret(rotate).await.unwrap().into_inner();
    let public = rotated.endpoint.unwrap().public_key;
    stack.publish(&events()).await;

    let received = both.wait_for(events().len()).await;
    let set = jwks(&stack, &endpoint.id).await;
    assert_eq!(set["keys"].as_array().unwrap().len(), 2, "{set}");
    let public_keys = [public.as_str(), endpoint.public_key.as_str()];
    verified(&deliveries(&received, &[&rotated.secret, &first], &public_keys, &set), 2, 4).await;
    for received in &received {
        for secret in [&rotated.secret, &first] {
            Webhook::new(secret).unwrap().verify(&received.body, &received.headers).unwrap();
        }
        let entries: Vec<_> = received.header("webhook-signature").split(' ').map(|entry| &entry[..3]).collect();
        assert_eq!(entries, ["v1,", "v1a", "v1,", "v1a"]);
    }
    assert!(received.iter().any(|received| received.body.len() > 20_000));

    let received = only_key.wait_for(events().len()).await;
    let set = jwks(&stack, &keyed.id).await;
    verified(&deliveries(&received, &[], &[&keyed.public_key], &set), 0, 2).await;
    let received = only_secret.wait_for(events().len()).await;
    verified(&deliveries(&received, &[&secret], &[], &json!({ "keys": [] })), 1, 0).await;
    let refused = Webhook::new(&first).unwrap().verify(&received[0].body, &received[0].headers);
    assert!(refused.is_err(), "another endpoint's secret");
    stack.stop().await;
}
