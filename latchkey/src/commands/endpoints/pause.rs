//! `latchkey endpoints pause` and `resume`.

use proto::webhook::v1::{PauseEndpointRequest, ResumeEndpointRequest};

use super::{Client, EndpointArgs, show};
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::Exit,
    output::Output,
};

/// Arguments of `latchkey endpoints resume`.
#[derive(clap::Args, Debug)]
pub struct ResumeArgs {
    /// Id of the endpoint, `ep_…`.
    endpoint: String,
    /// How many of the deliveries that piled up are sent in a second.
    #[arg(long, value_name = "RATE", default_value_t = 50)]
    drain_per_second: i32,
}

pub(super) async fn pause(
    args: EndpointArgs,
    mut client: Client,
    connection: &Connection,
    output: &mut Output,
) -> Answer {
    let answer = client.pause_endpoint(PauseEndpointRequest { endpoint_id: args.endpoint }).await;
    let answer = answer.map_err(connection.failed(Service::Webhook, "pause the endpoint"))?.into_inner();
    output.one(&answer.endpoint.unwrap_or_default(), show::FIELDS)?;
    Ok(Exit::Done)
}

pub(super) async fn resume(
    args: ResumeArgs,
    mut client: Client,
    connection: &Connection,
    output: &mut Output,
) -> Answer {
    let request = ResumeEndpointRequest { endpoint_id: args.endpoint, drain_per_second: args.drain_per_second };
    let answer = client.resume_endpoint(request).await;
    let answer = answer.map_err(connection.failed(Service::Webhook, "resume the endpoint"))?.into_inner();
    output.one(&answer.endpoint.unwrap_or_default(), show::FIELDS)?;
    Ok(Exit::Done)
}
