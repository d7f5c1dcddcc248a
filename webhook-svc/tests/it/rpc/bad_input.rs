//! Malformed, oversized and foreign values: refused by field, never a panic and never a fault of ours.

use prost_types::FieldMask;
use proto::webhook::v1 as pb;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{create, on_both_stacks, refusal};
use crate::support::stack::Stack;

on_both_stacks!(
    a_bad_new_endpoint_names_its_field,
    a_bad_change_names_its_field,
    bad_ids_are_told_from_unknown_ones,
    bad_lists_name_their_field,
    bad_addresses_are_refused,
);

/// Which field a refusal names.
fn field(status: &Status) -> String {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    status.get_details_error_info().unwrap().metadata["field"].clone()
}

fn new_endpoint() -> pb::CreateEndpointRequest {
    pb::CreateEndpointRequest {
        tenant_id: "acme".into(),
        url: "https://receiver.example/".into(),
        ..Default::default()
    }
}

fn header(name: &str, value: &str, secret: bool) -> pb::EndpointHeader {
    pb::EndpointHeader { name: name.into(), value: value.into(), secret }
}

fn pause(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

async fn a_bad_new_endpoint_names_its_field(stack: &Stack) {
    let cases: Vec<(&str, pb::CreateEndpointRequest)> = vec![
        ("tenant_id", pb::CreateEndpointRequest { tenant_id: String::new(), ..new_endpoint() }),
        ("tenant_id", pb::CreateEndpointRequest { tenant_id: "no such".into(), ..new_endpoint() }),
        ("tenant_id", pb::CreateEndpointRequest { tenant_id: "t".repeat(64), ..new_endpoint() }),
        ("tenant_id", pb::CreateEndpointRequest { tenant_id: "a\0b".into(), ..new_endpoint() }),
        ("description", pb::CreateEndpointRequest { description: "d".repeat(257), ..new_endpoint() }),
        ("description", pb::CreateEndpointRequest { description: "a\0b".into(), ..new_endpoint() }),
        ("event_types", pb::CreateEndpointRequest { event_types: vec!["se ssion".into()], ..new_endpoint() }),
        ("event_types", pb::CreateEndpointRequest { event_types: vec!["*.revoked".into()], ..new_endpoint() }),
        ("event_types", pb::CreateEndpointRequest { event_types: vec!["a.b".into(); 33], ..new_endpoint() }),
        ("application_ids", pb::CreateEndpointRequest { application_ids: vec![String::new()], ..new_endpoint() }),
        ("application_ids", pb::CreateEndpointRequest { application_ids: vec!["a b".into()], ..new_endpoint() }),
        ("application_ids", pb::CreateEndpointRequest { application_ids: vec!["a".repeat(129)], ..new_endpoint() }),
        ("application_ids", pb::CreateEndpointRequest { application_ids: vec!["a".into(); 65], ..new_endpoint() }),
        ("max_concurrency", pb::CreateEndpointRequest { max_concurrency: -1, ..new_endpoint() }),
        ("max_concurrency", pb::CreateEndpointRequest { max_concurrency: 1_001, ..new_endpoint() }),
        ("rate_limit_per_second", pb::CreateEndpointRequest { rate_limit_per_second: -1, ..new_endpoint() }),
        ("rate_limit_per_second", pb::CreateEndpointRequest { rate_limit_per_second: 1_001, ..new_endpoint() }),
        ("signature_scheme", pb::CreateEndpointRequest { signature_scheme: 9, ..new_endpoint() }),
        ("payload_profile", pb::CreateEndpointRequest { payload_profile: 9, ..new_endpoint() }),
        ("headers", pb::CreateEndpointRequest { headers: vec![header("host", "a", false)], ..new_endpoint() }),
        ("headers", pb::CreateEndpointRequest { headers: vec![header("webhook-id", "a", false)], ..new_endpoint() }),
        ("headers", pb::CreateEndpointRequest { headers: vec![header("content-type", "a", true)], ..new_endpoint() }),
        ("headers", pb::CreateEndpointRequest { headers: vec![header("authorization", "a", false)], ..new_endpoint() }),
        ("headers", pb::CreateEndpointRequest { headers: vec![header("x-a", "a\r\nb: c", false)], ..new_endpoint() }),
        ("headers", pb::CreateEndpointRequest { headers: vec![header("x-a", "", true)], ..new_endpoint() }),
        ("headers", pb::CreateEndpointRequest { headers: vec![header("x-a", "a", false); 2], ..new_endpoint() }),
        ("retry_pauses", pb::CreateEndpointRequest { retry_pauses: vec![pause(0)], ..new_endpoint() }),
        ("retry_pauses", pb::CreateEndpointRequest { retry_pauses: vec![pause(-1)], ..new_endpoint() }),
        ("retry_pauses", pb::CreateEndpointRequest { retry_pauses: vec![pause(7 * 86_400 + 1)], ..new_endpoint() }),
        ("retry_pauses", pb::CreateEndpointRequest { retry_pauses: vec![pause(1); 21], ..new_endpoint() }),
        ("retry_pauses", pb::CreateEndpointRequest { retry_pauses: vec![pause(6 * 86_400); 4], ..new_endpoint() }),
    ];
    for (expected, request) in cases {
        let refused = stack.endpoints().create_endpoint(request.clone()).await.unwrap_err();
        assert_eq!(field(&refused), expected, "{request:?}");
    }
    stack.endpoints().create_endpoint(new_endpoint()).await.unwrap();
}

async fn a_bad_change_names_its_field(stack: &Stack) {
    let (endpoint, _) = create(stack, "https://receiver.example/").await;
    let good = || endpoint.clone();
    let cases: Vec<(&str, Option<pb::Endpoint>, &[&str])> = vec![
        ("endpoint", None, &["url"]),
        ("endpoint.id", Some(pb::Endpoint { id: "ep_nonsense".into(), ..good() }), &["url"]),
        ("update_mask", Some(good()), &[]),
        ("update_mask", Some(good()), &["id"]),
        ("update_mask", Some(good()), &["created_at"]),
        ("endpoint.description", Some(pb::Endpoint { description: "d".repeat(257), ..good() }), &["description"]),
        ("endpoint.event_types", Some(pb::Endpoint { event_types: vec!["..".into()], ..good() }), &["event_types"]),
        (
            "endpoint.application_ids",
            Some(pb::Endpoint { application_ids: vec!["ä".into()], ..good() }),
            &["application_ids"],
        ),
        ("endpoint.state", Some(pb::Endpoint { state: 0, ..good() }), &["state"]),
        ("endpoint.state", Some(pb::Endpoint { state: 77, ..good() }), &["state"]),
        ("endpoint.max_concurrency", Some(pb::Endpoint { max_concurrency: 1_001, ..good() }), &["max_concurrency"]),
        (
            "endpoint.rate_limit_per_second",
            Some(pb::Endpoint { rate_limit_per_second: -1, ..good() }),
            &["rate_limit_per_second"],
        ),
        ("url", Some(pb::Endpoint { url: "ftp://receiver.example/".into(), ..good() }), &["url"]),
        ("endpoint.signature_scheme", Some(pb::Endpoint { signature_scheme: 9, ..good() }), &["signature_scheme"]),
        ("endpoint.headers", Some(pb::Endpoint { headers: vec![header("te", "a", false)], ..good() }), &["headers"]),
        ("headers", Some(pb::Endpoint { headers: vec![header("x-a", "", true)], ..good() }), &["headers"]),
        ("endpoint.payload_profile", Some(pb::Endpoint { payload_profile: 9, ..good() }), &["payload_profile"]),
        ("endpoint.retry_pauses", Some(pb::Endpoint { retry_pauses: vec![pause(0)], ..good() }), &["retry_pauses"]),
        ("update_mask", Some(good()), &["public_key"]),
    ];
    for (expected, endpoint, paths) in cases {
        let mask = FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
        let request = pb::UpdateEndpointRequest { endpoint, update_mask: Some(mask) };
        let refused = stack.endpoints().update_endpoint(request.clone()).await.unwrap_err();
        assert_eq!(field(&refused), expected, "{request:?}");
    }
    let no_mask = pb::UpdateEndpointRequest { endpoint: Some(good()), update_mask: None };
    assert_eq!(field(&stack.endpoints().update_endpoint(no_mask).await.unwrap_err()), "update_mask");
    let get = pb::GetEndpointRequest { endpoint_id: endpoint.id.clone() };
    assert_eq!(stack.endpoints().get_endpoint(get).await.unwrap().into_inner().endpoint, Some(endpoint));
}

async fn bad_ids_are_told_from_unknown_ones(stack: &Stack) {
    let (mut endpoints, mut deliveries) = (stack.endpoints(), stack.deliveries());
    for bad in ["", "ep_", "msg_", "ep_UPPER", "ep_\0", &"x".repeat(10_000)] {
        let (endpoint_id, delivery_id) = (bad.to_owned(), bad.to_owned());
        let get = endpoints.get_endpoint(pb::GetEndpointRequest { endpoint_id: endpoint_id.clone() }).await;
        assert_eq!(field(&get.unwrap_err()), "endpoint_id");
        let delete = endpoints.delete_endpoint(pb::DeleteEndpointRequest { endpoint_id: endpoint_id.clone() }).await;
        assert_eq!(field(&delete.unwrap_err()), "endpoint_id");
        let rotate = pb::RotateSecretRequest { endpoint_id: endpoint_id.clone(), overlap: None };
        assert_eq!(field(&endpoints.rotate_secret(rotate).await.unwrap_err()), "endpoint_id");
        let health = pb::GetEndpointHealthRequest { endpoint_id: endpoint_id.clone() };
        assert_eq!(field(&endpoints.get_endpoint_health(health).await.unwrap_err()), "endpoint_id");
        let pause = pb::PauseEndpointRequest { endpoint_id: endpoint_id.clone() };
        assert_eq!(field(&endpoints.pause_endpoint(pause).await.unwrap_err()), "endpoint_id");
        let resume = pb::ResumeEndpointRequest { endpoint_id: endpoint_id.clone(), drain_per_second: 0 };
        assert_eq!(field(&endpoints.resume_endpoint(resume).await.unwrap_err()), "endpoint_id");
        let ping = endpoints.ping_endpoint(pb::PingEndpointRequest { endpoint_id }).await;
        assert_eq!(field(&ping.unwrap_err()), "endpoint_id");
        let get = deliveries.get_delivery(pb::GetDeliveryRequest { delivery_id: delivery_id.clone() }).await;
        assert_eq!(field(&get.unwrap_err()), "delivery_id");
        let again = deliveries.redeliver(pb::RedeliverRequest { delivery_id }).await;
        assert_eq!(field(&again.unwrap_err()), "delivery_id");
    }
    let endpoint_id = format!("ep_{}", "a".repeat(26));
    for drain_per_second in [-1, 10_001] {
        let resume = pb::ResumeEndpointRequest { endpoint_id: endpoint_id.clone(), drain_per_second };
        assert_eq!(field(&endpoints.resume_endpoint(resume).await.unwrap_err()), "drain_per_second");
    }
    for overlap in [pause(-1), pause(i64::MIN), pause(7 * 86_400 + 1), prost_types::Duration { seconds: 0, nanos: -1 }]
    {
        let rotate = pb::RotateSecretRequest { endpoint_id: endpoint_id.clone(), overlap: Some(overlap) };
        assert_eq!(field(&endpoints.rotate_secret(rotate).await.unwrap_err()), "overlap");
    }
    let unknown = endpoints.get_endpoint(pb::GetEndpointRequest { endpoint_id }).await;
    assert_eq!(refusal(unknown), (Code::NotFound, "ENDPOINT_NOT_FOUND".to_owned()));
    let delivery_id = format!("msg_{}", "a".repeat(26));
    let unknown = deliveries.get_delivery(pb::GetDeliveryRequest { delivery_id }).await;
    assert_eq!(refusal(unknown), (Code::NotFound, "DELIVERY_NOT_FOUND".to_owned()));
}

async fn bad_lists_name_their_field(stack: &Stack) {
    let tenant_id = || "acme".to_owned();
    let (mut endpoints, mut deliveries, mut events) = (stack.endpoints(), stack.deliveries(), stack.events());
    for (expected, tenant_id, page_size, page_token) in [
        ("tenant_id", String::new(), 0, ""),
        ("tenant_id", "a/b".to_owned(), 0, ""),
        ("page_size", tenant_id(), -1, ""),
        ("page_token", tenant_id(), 0, "nonsense"),
        ("page_token", tenant_id(), 0, "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    ] {
        let list = pb::ListEndpointsRequest { tenant_id: tenant_id.clone(), page_size, page_token: page_token.into() };
        assert_eq!(field(&endpoints.list_endpoints(list).await.unwrap_err()), expected);
        let (id, token) = (tenant_id.clone(), page_token.into());
        let list = pb::ListDeliveriesRequest { tenant_id: id, page_size, page_token: token, ..Default::default() };
        assert_eq!(field(&deliveries.list_deliveries(list).await.unwrap_err()), expected);
        let list = pb::ListEventsRequest { tenant_id, page_size, page_token: page_token.into(), ..Default::default() };
        assert_eq!(field(&events.list_events(list).await.unwrap_err()), expected);
    }
    let list =
        pb::ListDeliveriesRequest { tenant_id: tenant_id(), endpoint_id: "nonsense".into(), ..Default::default() };
    assert_eq!(field(&deliveries.list_deliveries(list).await.unwrap_err()), "endpoint_id");
    let list = pb::ListDeliveriesRequest { tenant_id: tenant_id(), state: 99, ..Default::default() };
    assert_eq!(field(&deliveries.list_deliveries(list).await.unwrap_err()), "state");
    let list = pb::ListEventsRequest { tenant_id: tenant_id(), types: vec!["a b".into()], ..Default::default() };
    assert_eq!(field(&events.list_events(list).await.unwrap_err()), "types");
    let huge = pb::ListEndpointsRequest { tenant_id: tenant_id(), page_size: i32::MAX, ..Default::default() };
    endpoints.list_endpoints(huge).await.unwrap();
}

async fn bad_addresses_are_refused(stack: &Stack) {
    for url in [
        "",
        "/hook",
        "receiver.example",
        "ftp://receiver.example/",
        "file:///etc/passwd",
        "https://user:pw@receiver.example/",
        "https://receiver.example/#part",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:169.254.169.254]/",
        "https://10.0.0.1/",
        "https://0x0a000001/",
        "https://192.168.1.1/",
        "https://[fd00::1]/",
        "https://[64:ff9b::a00:1]/",
        "https://0.0.0.0/",
        "https://localhost.:99999/",
        "https://",
        "javascript:alert(1)",
        &format!("https://receiver.example/{}", "x".repeat(2_048)),
    ] {
        let refused =
            stack.endpoints().create_endpoint(pb::CreateEndpointRequest { url: url.into(), ..new_endpoint() }).await;
        assert_eq!(refusal(refused), (Code::InvalidArgument, "URL_REFUSED".to_owned()), "{url}");
    }
}
