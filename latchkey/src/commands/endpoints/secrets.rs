//! `latchkey endpoints rotate-secret` and `ping`.

use proto::webhook::v1::{PingEndpointRequest, RotateSecretRequest};
use svc_kit::config::HumanDuration;

use super::{Client, EndpointArgs, show};
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::Exit,
    output::Output,
};

/// Arguments of `latchkey endpoints rotate-secret`.
#[derive(clap::Args, Debug)]
pub struct RotateArgs {
    /// Id of the endpoint, `ep_…`.
    endpoint: String,
    /// How long the old ones sign too.
    #[arg(long, value_name = "DURATION", default_value = "1d")]
    overlap: HumanDuration,
}

pub(super) async fn rotate(
    args: RotateArgs,
    mut client: Client,
    connection: &Connection,
    output: &mut Output,
) -> Answer {
    let overlap = prost_types::Duration::try_from(args.overlap.0).ok();
    let answer = client.rotate_secret(RotateSecretRequest { endpoint_id: args.endpoint, overlap }).await;
    let answer = answer.map_err(connection.failed(Service::Webhook, "rotate the secret"))?.into_inner();
    output.one(&answer, show::ROTATED)?;
    show::tell_secret(&answer.secret, "the old one signs too until the overlap is over", output);
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
