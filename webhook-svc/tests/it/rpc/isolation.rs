//! A tenant neither sees nor touches what is another's.

use prost_types::FieldMask;
use proto::webhook::v1 as pb;
use tonic::Code;

use super::{create, on_both_stacks, refusal};
use crate::support::{
    sink::Sink,
    stack::{Stack, session_revoked},
};

on_both_stacks!(
    objects_of_another_tenant_do_not_exist,
    lists_of_another_tenant_are_refused,
    events_stay_in_their_tenant
);

async fn objects_of_another_tenant_do_not_exist(stack: &Stack) {
    let sink = Sink::start().await;
    let (endpoint, _) = create(stack, &sink.url).await;
    stack.publish(&[session_revoked("acme", "e1", "sess_1")]).await;
    let delivery_id = sink.wait_for(1).await[0].header("webhook-id").to_owned();
    let foreign = stack.key_of("other");
    let (mut endpoints, mut deliveries) = (stack.endpoints_as(&foreign), stack.deliveries_as(&foreign));
    let endpoint_id = endpoint.id.clone();
    let update = pb::UpdateEndpointRequest {
        endpoint: Some(pb::Endpoint { description: "mine now".into(), ..endpoint }),
        update_mask: Some(FieldMask { paths: vec!["description".into()] }),
    };
    let no_endpoint = (Code::NotFound, "ENDPOINT_NOT_FOUND".to_owned());
    let id = || endpoint_id.clone();
    assert_eq!(refusal(endpoints.get_endpoint(pb::GetEndpointRequest { endpoint_id: id() }).await), no_endpoint);
    assert_eq!(refusal(endpoints.update_endpoint(update).await), no_endpoint);
    assert_eq!(refusal(endpoints.delete_endpoint(pb::DeleteEndpointRequest { endpoint_id: id() }).await), no_endpoint);
    let rotate = pb::RotateSecretRequest { endpoint_id: id(), overlap: None };
    assert_eq!(refusal(endpoints.rotate_secret(rotate).await), no_endpoint);
    assert_eq!(refusal(endpoints.ping_endpoint(pb::PingEndpointRequest { endpoint_id: id() }).await), no_endpoint);
    let health = pb::GetEndpointHealthRequest { endpoint_id: id() };
    assert_eq!(refusal(endpoints.get_endpoint_health(health).await), no_endpoint);
    let pause = pb::PauseEndpointRequest { endpoint_id: id() };
    assert_eq!(refusal(endpoints.pause_endpoint(pause).await), no_endpoint);
    let resume = pb::ResumeEndpointRequest { endpoint_id: id(), drain_per_second: 0 };
    assert_eq!(refusal(endpoints.resume_endpoint(resume).await), no_endpoint);
    let no_delivery = (Code::NotFound, "DELIVERY_NOT_FOUND".to_owned());
    let get = pb::GetDeliveryRequest { delivery_id: delivery_id.clone() };
    assert_eq!(refusal(deliveries.get_delivery(get).await), no_delivery);
    assert_eq!(
        refusal(deliveries.redeliver(pb::RedeliverRequest { delivery_id: delivery_id.clone() }).await),
        no_delivery
    );
    // To its own tenant both exist.
    let own = stack.key_of("acme");
    stack.endpoints_as(&own).get_endpoint(pb::GetEndpointRequest { endpoint_id: id() }).await.unwrap();
    stack.deliveries_as(&own).get_delivery(pb::GetDeliveryRequest { delivery_id }).await.unwrap();
}

async fn lists_of_another_tenant_are_refused(stack: &Stack) {
    let foreign = stack.key_of("other");
    let refused = (Code::PermissionDenied, "TENANT_MISMATCH".to_owned());
    let tenant_id = || "acme".to_owned();
    let list = pb::ListEndpointsRequest { tenant_id: tenant_id(), ..Default::default() };
    assert_eq!(refusal(stack.endpoints_as(&foreign).list_endpoints(list).await), refused);
    let create =
        pb::CreateEndpointRequest { tenant_id: tenant_id(), url: "https://x.example".into(), ..Default::default() };
    assert_eq!(refusal(stack.endpoints_as(&foreign).create_endpoint(create).await), refused);
    let list = pb::ListDeliveriesRequest { tenant_id: tenant_id(), ..Default::default() };
    assert_eq!(refusal(stack.deliveries_as(&foreign).list_deliveries(list).await), refused);
    let list = pb::ListEventsRequest { tenant_id: tenant_id(), ..Default::default() };
    assert_eq!(refusal(stack.events_as(&foreign).list_events(list).await), refused);
    // A page token of one tenant does not open another's list.
    for _ in 0..2 {
        self::create(stack, "https://receiver.example/").await;
    }
    let list = pb::ListEndpointsRequest { tenant_id: tenant_id(), page_size: 1, ..Default::default() };
    let page_token = stack.endpoints().list_endpoints(list).await.unwrap().into_inner().next_page_token;
    let list = pb::ListEndpointsRequest { tenant_id: "other".into(), page_size: 1, page_token };
    let refused = (Code::InvalidArgument, "PAGE_TOKEN_INVALID".to_owned());
    assert_eq!(refusal(stack.endpoints_as(&foreign).list_endpoints(list).await), refused);
}

async fn events_stay_in_their_tenant(stack: &Stack) {
    let (sink, other) = (Sink::start().await, Sink::start().await);
    create(stack, &sink.url).await;
    let request = pb::CreateEndpointRequest { tenant_id: "other".into(), url: other.url.clone(), ..Default::default() };
    stack.endpoints().create_endpoint(request).await.unwrap();
    stack.publish(&[session_revoked("acme", "e1", "sess_1"), session_revoked("other", "e2", "sess_2")]).await;
    assert_eq!(sink.wait_for(1).await[0].event_id(), "e1");
    assert_eq!(other.wait_for(1).await[0].event_id(), "e2");
    assert_eq!((sink.received().len(), other.received().len()), (1, 1));
}
