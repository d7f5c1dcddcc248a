//! `latchkey endpoints`: where webhooks go.

mod change;
mod health;
mod manner;
mod pause;
mod secrets;
mod show;

use clap::Subcommand;
use proto::webhook::v1::{
    CreateEndpointRequest, DeleteEndpointRequest, GetEndpointRequest, ListEndpointsRequest, endpoint_service_client,
};

use crate::{
    Answer,
    commands::pages::Limit,
    connect::{Connection, Line, Service},
    failure::Exit,
    output::Output,
};

/// `latchkey endpoints …`
#[derive(Debug, Subcommand)]
pub enum EndpointsCommand {
    /// Creates an endpoint and prints its signing secret, if it has one, once.
    Create(change::CreateArgs),
    /// Lists the endpoints of the tenant.
    List(Limit),
    /// Shows one endpoint.
    Get(EndpointArgs),
    /// Changes an endpoint; what is not given stays.
    Update(change::UpdateArgs),
    /// Deletes an endpoint; deliveries that wait for it are cancelled.
    Delete(EndpointArgs),
    /// Makes a new signing secret and prints it, once, and a new key; the old ones sign too for a while.
    RotateSecret(secrets::RotateArgs),
    /// Sends a test event to the endpoint.
    Ping(EndpointArgs),
    /// Says how the endpoint is doing: whether it is sent to, how fast it answers, what waits.
    Health(EndpointArgs),
    /// Stops sending to the endpoint and keeps its events.
    Pause(EndpointArgs),
    /// Goes on sending; what piled up comes at a set rate.
    Resume(pause::ResumeArgs),
}

/// Names an endpoint.
#[derive(clap::Args, Debug)]
pub struct EndpointArgs {
    /// Id of the endpoint, `ep_…`.
    endpoint: String,
}

type Client = endpoint_service_client::EndpointServiceClient<Line>;

pub(super) async fn run(command: EndpointsCommand, connection: &Connection, output: &mut Output) -> Answer {
    let client = connection.endpoints()?;
    match command {
        EndpointsCommand::Create(args) => create(args, client, connection, output).await,
        EndpointsCommand::List(limit) => list(limit, client, connection, output).await,
        EndpointsCommand::Get(args) => get(args, client, connection, output).await,
        EndpointsCommand::Update(args) => change::update(args, client, connection, output).await,
        EndpointsCommand::Delete(args) => delete(args, client, connection, output).await,
        EndpointsCommand::RotateSecret(args) => secrets::rotate(args, client, connection, output).await,
        EndpointsCommand::Ping(args) => secrets::ping(args, client, connection, output).await,
        EndpointsCommand::Health(args) => health::run(args, client, connection, output).await,
        EndpointsCommand::Pause(args) => pause::pause(args, client, connection, output).await,
        EndpointsCommand::Resume(args) => pause::resume(args, client, connection, output).await,
    }
}

async fn create(args: change::CreateArgs, mut client: Client, connection: &Connection, output: &mut Output) -> Answer {
    let request = CreateEndpointRequest {
        tenant_id: connection.tenant(),
        url: args.url,
        description: args.description,
        event_types: args.event_types,
        application_ids: args.applications,
        max_concurrency: args.max_concurrency,
        rate_limit_per_second: args.rate_limit_per_second,
        ordered: args.ordered,
        signature_scheme: args.manner.scheme(),
        payload_profile: args.manner.profile(),
        retry_pauses: args.manner.pauses(),
        headers: args.manner.headers()?,
    };
    let answer = client.create_endpoint(request).await;
    let answer = answer.map_err(connection.failed(Service::Webhook, "create the endpoint"))?.into_inner();
    output.one(&answer, show::CREATED)?;
    show::tell_secret(&answer.secret, "give it to the receiver", output);
    Ok(Exit::Done)
}

async fn list(limit: Limit, mut client: Client, connection: &Connection, output: &mut Output) -> Answer {
    let pages = limit.read(async |page_size, page_token| {
        let request = ListEndpointsRequest { tenant_id: connection.tenant(), page_size, page_token };
        let page = client.list_endpoints(request).await?.into_inner();
        Ok((page.endpoints, page.next_page_token))
    });
    let listed = pages.await.map_err(connection.failed(Service::Webhook, "list the endpoints"))?;
    output.list(&listed.items, show::COLUMNS)?;
    listed.tell(output, "endpoints");
    Ok(Exit::Done)
}

async fn get(args: EndpointArgs, mut client: Client, connection: &Connection, output: &mut Output) -> Answer {
    let answer = client.get_endpoint(GetEndpointRequest { endpoint_id: args.endpoint }).await;
    let answer = answer.map_err(connection.failed(Service::Webhook, "read the endpoint"))?.into_inner();
    output.one(&answer.endpoint.unwrap_or_default(), show::FIELDS)?;
    Ok(Exit::Done)
}

async fn delete(args: EndpointArgs, mut client: Client, connection: &Connection, output: &mut Output) -> Answer {
    let answer = client.delete_endpoint(DeleteEndpointRequest { endpoint_id: args.endpoint }).await;
    let answer = answer.map_err(connection.failed(Service::Webhook, "delete the endpoint"))?.into_inner();
    output.done(&answer, "deleted")?;
    Ok(Exit::Done)
}
