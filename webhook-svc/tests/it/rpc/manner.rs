//! How requests are signed, what headers they have, how much of an event they bring, and when they are made again.

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost_types::{Duration, FieldMask};
use proto::{
    event::v1::{Event, SessionRevoked, UserCreated, event::Data},
    session::v1::{Device, Session},
    webhook::v1::{
        CreateEndpointRequest, CreateEndpointResponse, DeliveryState, Endpoint, EndpointHeader, GetEndpointRequest,
        ListDeliveriesRequest, ListEndpointsRequest, PayloadProfile, RotateSecretRequest, SignatureScheme,
        UpdateEndpointRequest, UpdateEndpointResponse,
    },
};
use serde_json::{Value, json};
use sqlx::Row as _;

use super::on_both_stacks;
use crate::support::{
    database::{pool, with_database},
    eventually,
    sink::{Received, Sink},
    stack::{Stack, StackBuilder, session_revoked},
};

on_both_stacks!(
    an_endpoint_says_how_it_is_sent_to,
    a_scheme_can_be_changed_and_shows_a_new_secret_once,
    a_rotation_overlaps_as_long_as_it_says,
    keys_are_published_for_everybody,
    headers_are_sent_and_secrets_are_never_shown,
    ids_say_nothing_about_people,
    an_endpoint_may_have_a_schedule_of_its_own,
);

const SECRET: &str = "Bearer hunter2-and-more";

fn request(url: &str) -> CreateEndpointRequest {
    CreateEndpointRequest { tenant_id: "acme".into(), url: url.into(), ..Default::default() }
}

async fn create(stack: &Stack, request: CreateEndpointRequest) -> (Endpoint, String) {
    let CreateEndpointResponse { endpoint, secret } =
        stack.endpoints().create_endpoint(request).await.unwrap().into_inner();
    (endpoint.unwrap(), secret)
}

async fn change(stack: &Stack, endpoint: Endpoint, path: &str) -> (Endpoint, String) {
    let update_mask = Some(FieldMask { paths: vec![path.to_owned()] });
    let request = UpdateEndpointRequest { endpoint: Some(endpoint), update_mask };
    let UpdateEndpointResponse { endpoint, secret } =
        stack.endpoints().update_endpoint(request).await.unwrap().into_inner();
    (endpoint.unwrap(), secret)
}

fn header(name: &str, value: &str, secret: bool) -> EndpointHeader {
    EndpointHeader { name: name.to_owned(), value: value.to_owned(), secret }
}

fn seconds(seconds: i64) -> Duration {
    Duration { seconds, nanos: 0 }
}

fn schemes(received: &Received) -> Vec<&str> {
    received.header("webhook-signature").split(' ').map(|entry| entry.split_once(',').unwrap().0).collect()
}

async fn an_endpoint_says_how_it_is_sent_to(stack: &Stack) {
    let (usual, secret) = create(stack, request("https://receiver.example/")).await;
    assert_eq!(usual.signature_scheme(), SignatureScheme::HmacSha256);
    assert_eq!((usual.payload_profile(), usual.public_key.as_str()), (PayloadProfile::Full, ""));
    assert!(usual.headers.is_empty() && usual.retry_pauses.is_empty() && usual.overlap_ends_at.is_none());
    assert!(secret.starts_with("whsec_"));
    let (whole, secret) = create(
        stack,
        CreateEndpointRequest {
            signature_scheme: SignatureScheme::Ed25519.into(),
            headers: vec![header("X-Shop", "1", false), header("Authorization", SECRET, true)],
            payload_profile: PayloadProfile::Ids.into(),
            retry_pauses: vec![seconds(1), seconds(86_400)],
            ..request("https://receiver.example/")
        },
    )
    .await;
    assert_eq!((whole.signature_scheme(), secret.as_str()), (SignatureScheme::Ed25519, ""));
    assert!(whole.public_key.starts_with("whpk_"));
    assert_eq!(whole.headers, [header("x-shop", "1", false), header("authorization", "", true)]);
    assert_eq!(whole.payload_profile(), PayloadProfile::Ids);
    assert_eq!(whole.retry_pauses, [seconds(1), seconds(86_400)]);
    let get = GetEndpointRequest { endpoint_id: whole.id.clone() };
    assert_eq!(stack.endpoints().get_endpoint(get).await.unwrap().into_inner().endpoint, Some(whole.clone()));
    let wanted = Endpoint { headers: vec![], retry_pauses: vec![], payload_profile: 0, ..whole.clone() };
    let (changed, _) = change(stack, wanted.clone(), "headers").await;
    assert_eq!(changed, Endpoint { headers: vec![], updated_at: changed.updated_at, ..whole.clone() });
    let (changed, _) = change(stack, wanted.clone(), "retry_pauses").await;
    assert!(changed.retry_pauses.is_empty() && changed.payload_profile() == PayloadProfile::Ids);
    let (changed, _) = change(stack, wanted, "payload_profile").await;
    assert_eq!((changed.payload_profile(), changed.public_key), (PayloadProfile::Full, whole.public_key));
}

async fn a_scheme_can_be_changed_and_shows_a_new_secret_once(stack: &Stack) {
    let sink = Sink::start().await;
    let (endpoint, first) = create(stack, request(&sink.url)).await;
    let scheme = |scheme: SignatureScheme| Endpoint { signature_scheme: scheme.into(), ..endpoint.clone() };
    let (both, none) = change(stack, scheme(SignatureScheme::Both), "signature_scheme").await;
    assert_eq!((both.signature_scheme(), none.as_str()), (SignatureScheme::Both, ""));
    let (keyed, none) = change(stack, scheme(SignatureScheme::Ed25519), "signature_scheme").await;
    assert_eq!((&keyed.public_key, none.as_str()), (&both.public_key, ""));
    stack.publish(&[session_revoked("acme", "e1", "sess_1")]).await;
    assert_eq!(schemes(&sink.wait_for(1).await[0]), ["v1a"]);
    let (again, second) = change(stack, scheme(SignatureScheme::HmacSha256), "signature_scheme").await;
    assert!(second.starts_with("whsec_") && second != first);
    assert_eq!(again.public_key, "");
    stack.publish(&[session_revoked("acme", "e2", "sess_2")]).await;
    let received = sink.wait_for(2).await;
    assert_eq!(schemes(&received[1]), ["v1"]);
    let good = standardwebhooks::Webhook::new(&second).unwrap().verify(&received[1].body, &received[1].headers);
    assert!(good.is_ok());
}

async fn a_rotation_overlaps_as_long_as_it_says(stack: &Stack) {
    let sink = Sink::start().await;
    let both = CreateEndpointRequest { signature_scheme: SignatureScheme::Both.into(), ..request(&sink.url) };
    let (endpoint, first) = create(stack, both).await;
    let rotate = async |overlap| {
        let request = RotateSecretRequest { endpoint_id: endpoint.id.clone(), overlap };
        let rotated = stack.endpoints().rotate_secret(request).await.unwrap().into_inner();
        (rotated.endpoint.unwrap(), rotated.secret)
    };
    let (day, second) = rotate(None).await;
    let ends_in = day.overlap_ends_at.unwrap().seconds - day.updated_at.unwrap().seconds;
    assert!((86_399..=86_401).contains(&ends_in), "{ends_in}");
    assert!(first != second && day.public_key != endpoint.public_key);
    stack.publish(&[session_revoked("acme", "e1", "sess_1")]).await;
    assert_eq!(schemes(&sink.wait_for(1).await[0]), ["v1", "v1a", "v1", "v1a"]);
    let (none, _) = rotate(Some(seconds(0))).await;
    assert_eq!(none.overlap_ends_at, None);
    stack.publish(&[session_revoked("acme", "e2", "sess_2")]).await;
    assert_eq!(schemes(&sink.wait_for(2).await[1]), ["v1", "v1a"]);
}

async fn keys_are_published_for_everybody(stack: &Stack) {
    let get = async |id: &str| {
        let url = format!("http://{}/endpoints/{id}/jwks", stack.running.http_addr);
        reqwest::get(url).await.unwrap()
    };
    let (secret_only, _) = create(stack, request("https://receiver.example/")).await;
    assert_eq!(get(&secret_only.id).await.json::<Value>().await.unwrap(), json!({ "keys": [] }));
    let keyed = CreateEndpointRequest {
        signature_scheme: SignatureScheme::Ed25519.into(),
        ..request("https://receiver.example/")
    };
    let (keyed, _) = create(stack, keyed).await;
    let answer = get(&keyed.id).await;
    assert_eq!(answer.headers()["content-type"], "application/jwk-set+json");
    assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
    let set: Value = answer.json().await.unwrap();
    assert_eq!(set["keys"].as_array().unwrap().len(), 1);
    let x = STANDARD.encode(
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(set["keys"][0]["x"].as_str().unwrap()).unwrap(),
    );
    assert_eq!(format!("whpk_{x}"), keyed.public_key);
    let rotate = RotateSecretRequest { endpoint_id: keyed.id.clone(), overlap: None };
    let rotated = stack.endpoints().rotate_secret(rotate).await.unwrap().into_inner();
    assert_eq!(rotated.secret, "");
    let both: Value = get(&keyed.id).await.json().await.unwrap();
    assert_eq!(both["keys"].as_array().unwrap().len(), 2);
    assert_eq!(both["keys"][1], set["keys"][0], "the key before comes second, with the id that it had");
    assert_ne!(both["keys"][0]["kid"], both["keys"][1]["kid"]);
    for unknown in ["ep_aaaaaaaaaaaaaaaaaaaaaaaaaa", "nonsense", "ep_%00", "..%2f..%2fetc"] {
        assert_eq!(get(unknown).await.status(), 404, "{unknown}");
    }
}

async fn headers_are_sent_and_secrets_are_never_shown(stack: &Stack) {
    let sink = Sink::start().await;
    let headers = vec![header("authorization", SECRET, true), header("x-shop", "first", false)];
    let (endpoint, _) = create(stack, CreateEndpointRequest { headers, ..request(&sink.url) }).await;
    stack.publish(&[session_revoked("acme", "e1", "sess_1")]).await;
    let received = sink.wait_for(1).await.remove(0);
    assert_eq!((received.header("authorization"), received.header("x-shop")), (SECRET, "first"));
    assert_eq!(received.header("content-type"), "application/json");
    // Without its value the secret stays; another header may change beside it.
    let headers = vec![header("authorization", "", true), header("x-shop", "second", false)];
    let (changed, _) = change(stack, Endpoint { headers: headers.clone(), ..endpoint.clone() }, "headers").await;
    assert_eq!(changed.headers, headers);
    let list = ListEndpointsRequest { tenant_id: "acme".into(), ..Default::default() };
    let listed = stack.endpoints().list_endpoints(list).await.unwrap().into_inner();
    assert!(!format!("{changed:?}{listed:?}").contains("hunter2"));
    stack.publish(&[session_revoked("acme", "e2", "sess_2")]).await;
    let received = sink.wait_for(2).await.remove(1);
    assert_eq!((received.header("authorization"), received.header("x-shop")), (SECRET, "second"));
    // What is not kept cannot be left as it is.
    let missing = Endpoint { headers: vec![header("x-other", "", true)], ..endpoint };
    let update_mask = Some(FieldMask { paths: vec!["headers".to_owned()] });
    let request = UpdateEndpointRequest { endpoint: Some(missing), update_mask };
    let refused = stack.endpoints().update_endpoint(request).await.unwrap_err();
    assert!(refused.message().contains("x-other"), "{refused:?}");
}

async fn ids_say_nothing_about_people(stack: &Stack) {
    let (all, ids) = (Sink::start().await, Sink::start().await);
    create(stack, request(&all.url)).await;
    create(stack, CreateEndpointRequest { payload_profile: PayloadProfile::Ids.into(), ..request(&ids.url) }).await;
    let device = Device {
        name: "Ada's laptop".into(),
        user_agent: "Mozilla/5.0".into(),
        ip_address: "192.0.2.7".into(),
        last_ip_address: "192.0.2.8".into(),
        ..Device::default()
    };
    let session = Session {
        id: "sess_1".into(),
        tenant_id: "acme".into(),
        user_id: "user_ada".into(),
        application_id: "app_shop".into(),
        end_reason: 3,
        end_comment: "she asked for it".into(),
        ended_by: "support".into(),
        attributes: [("email".to_owned(), "ada@example.com".to_owned())].into(),
        device: Some(device),
        ..Session::default()
    };
    let data = Data::SessionRevoked(SessionRevoked { session: Some(session) });
    stack.publish(&[Event { data: Some(data), ..session_revoked("acme", "e1", "sess_1") }]).await;
    let whole = String::from_utf8(all.wait_for(1).await[0].body.to_vec()).unwrap();
    assert!(whole.contains("192.0.2.7") && whole.contains("ada@example.com"), "{whole}");
    let body = ids.wait_for(1).await[0].json();
    let expected = json!({
        "type": "session.revoked", "timestamp": body["timestamp"], "id": "e1", "tenant_id": "acme", "sequence": 2,
        "data": { "session": {
            "id": "sess_1", "tenant_id": "acme", "user_id": "user_ada", "application_id": "app_shop",
            "end_reason": "END_REASON_ADMIN",
        } },
    });
    assert_eq!(body, expected);
}

fn user_created(id: &str) -> Event {
    Event {
        r#type: "user.created".into(),
        data: Some(Data::UserCreated(UserCreated { user_id: "user_ada".into() })),
        ..session_revoked("acme", id, "user_ada")
    }
}

/// Waits until the delivery of the tenant is given up; returns how many attempts were made.
async fn exhausted_after(stack: &Stack) -> i32 {
    let state = DeliveryState::Exhausted.into();
    let request = ListDeliveriesRequest { tenant_id: "acme".into(), state, ..Default::default() };
    let given_up = eventually("the end of the schedule", async || {
        let listed = stack.deliveries().list_deliveries(request.clone()).await.unwrap().into_inner().deliveries;
        listed.into_iter().next()
    });
    given_up.await.attempt_count
}

async fn an_endpoint_may_have_a_schedule_of_its_own(stack: &Stack) {
    let sink = Sink::answering(|_, _| StatusCode::BAD_GATEWAY).await;
    let own = CreateEndpointRequest { retry_pauses: vec![seconds(1)], ..request(&sink.url) };
    create(stack, CreateEndpointRequest { event_types: vec!["user.*".into()], ..own }).await;
    stack.publish(&[user_created("e1")]).await;
    assert_eq!(exhausted_after(stack).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_and_a_deployment_may_have_schedules_of_their_own() {
    for (name, value, attempts) in [
        ("RETRIES__PAUSES", r#"["1s", "1s"]"#, 3),
        ("RETRIES__TENANTS", r#"[{ tenant = "acme", pauses = ["1s"] }, { tenant = "other", pauses = ["1h"] }]"#, 2),
    ] {
        let stack = StackBuilder::memory().set(name, value).start().await;
        let sink = Sink::answering(|_, _| StatusCode::BAD_GATEWAY).await;
        create(&stack, CreateEndpointRequest { event_types: vec!["user.*".into()], ..request(&sink.url) }).await;
        stack.publish(&[user_created("e1")]).await;
        assert_eq!(exhausted_after(&stack).await, attempts, "{name}");
        stack.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_holds_no_secret_as_it_is() {
    with_database(|url| async move {
        let stack = StackBuilder::postgres(&url).start().await;
        let (_, secret) = create(
            &stack,
            CreateEndpointRequest {
                signature_scheme: SignatureScheme::Both.into(),
                headers: vec![header("authorization", SECRET, true), header("x-shop", "plain", false)],
                ..request("https://receiver.example/")
            },
        )
        .await;
        let pool = pool(&url).await;
        let row: String = sqlx::query("SELECT endpoint::text FROM endpoint").fetch_one(&pool).await.unwrap().get(0);
        let secret = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert!(row.contains("x-shop") && row.contains("plain"), "{row}");
        for hidden in ["hunter2", &STANDARD.encode(SECRET), &hex(&secret), &hex(SECRET.as_bytes())] {
            assert!(!row.contains(hidden), "{hidden} in {row}");
        }
        pool.close().await;
        stack.stop().await;
    })
    .await;
}
