//! `latchkey endpoints rotate-secret` and `ping`.

use proto::webhook::v1::{PingEndpointRequest, RotateSecretRequest};

use super::{Client, EndpointArgs};
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::Exit,
    output::Output,
};

pub(super) async fn rotate(
    args: EndpointArgs,
    mut client: Client,
    connection: &Connection,
    output: &mut Output,
) -> Answer {
    let answer = client.rotate_secret(RotateSecretRequest { endpoint_id: args.endpoint }).await;
    let answer = answer.map_err(connection.failed(Service::Webhook, "rotate the secret"))?.into_inner();
    output.one(&answer, &[("secret", |answer, _| answer.secret.clone())])?;
    output.note("the secret is shown this once; the old one is accepted until the overlap is over");
    Ok(Exit::Done)
}

pub(super) async fn ping(
    args: EndpointArgs,
    mut client: Client,
    connection: &Connection,
    output: &mut Output,
) -> Answer {
    let answer = client.ping_endpoint(PingEndpointRequest { endpoint_id: args.endpoint }).await;
    let answer = answer.map_err(connection.failed(Service::Webhook, "ping the endpoint"))?.into_inner();
    output.one(&answer, &[("delivery", |answer, _| answer.delivery_id.clone())])?;
    output.note(&format!("latchkey deliveries get {} says what came of it", answer.delivery_id));
    Ok(Exit::Done)
}
