//! `latchkey events`: the log of what happened.

use std::time::Duration;

use clap::{Args, Subcommand};
use proto::webhook::v1::{
    EventType, ListEventTypesRequest, ListEventsRequest, ListEventsResponse, LoggedEvent,
    event_service_client::EventServiceClient,
};
use serde_json::Value;
use svc_kit::config::HumanDuration;
use tonic::Status;

use super::pages::Limit;
use crate::{
    Answer,
    connect::{Connection, Line, Service},
    failure::{Exit, Failure},
    output::{Column, Output, text::relative, to_json},
};

/// Events read at a time while following.
const TAIL_PAGE: i32 = 500;

/// `latchkey events …`
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// Lists events in the order of their arrival.
    List(ListArgs),
    /// Lists the types of events that there are, and with --schema what their webhook bodies hold.
    Types(TypesArgs),
    /// Prints events as they arrive, until interrupted; with --json one object a line.
    Tail(TailArgs),
}

/// Which events.
#[derive(Args, Debug)]
pub struct Types {
    /// Only events of this type, e.g. `session.revoked` or `session.*`; may be repeated.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
}

/// Arguments of `latchkey events types`.
#[derive(Args, Debug)]
pub struct TypesArgs {
    /// Only types such as `session.revoked` or `session.*`; may be repeated.
    #[arg(value_name = "TYPE")]
    types: Vec<String>,
    /// Prints the JSON Schema of each instead of a table.
    #[arg(long)]
    schema: bool,
}

/// Arguments of `latchkey events list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    #[command(flatten)]
    types: Types,
    #[command(flatten)]
    limit: Limit,
}

/// Arguments of `latchkey events tail`.
#[derive(Args, Debug)]
pub struct TailArgs {
    #[command(flatten)]
    types: Types,
    /// Starts with the oldest event of the log, instead of the next one.
    #[arg(long)]
    from_start: bool,
    /// Ends after this many events.
    #[arg(long, value_name = "COUNT")]
    count: Option<usize>,
    /// How often to look.
    #[arg(long, value_name = "TIME", default_value = "500ms")]
    interval: HumanDuration,
}

const COLUMNS: &[Column<LoggedEvent>] = &[
    ("EVENT", |event, _| event.id.clone()),
    ("TYPE", |event, _| event.r#type.clone()),
    ("OCCURRED", |event, now| relative(event.occurred_at.as_ref(), now)),
    ("ABOUT", |event, _| about(&event.payload)),
];

/// The id of what an event is about, from the data of its webhook body.
fn about(payload: &str) -> String {
    let Ok(body) = serde_json::from_str::<Value>(payload) else { return String::new() };
    let data = &body["data"];
    let ids =
        [&data["session"]["id"], &data["session_id"], &data["user_id"], &data["endpoint_id"], &data["application_id"]];
    ids.into_iter().find_map(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) async fn run(command: EventsCommand, connection: &Connection, output: &mut Output) -> Answer {
    match command {
        EventsCommand::List(args) => list(args, connection, output).await,
        EventsCommand::Types(args) => types(args, connection, output).await,
        EventsCommand::Tail(args) => {
            tokio::select! {
                answer = tail(args, connection, output) => answer,
                _ = tokio::signal::ctrl_c() => Ok(Exit::Done),
            }
        }
    }
}

/// Reads the log from a position on.
struct Log<'c> {
    client: EventServiceClient<Line>,
    connection: &'c Connection,
    types: Vec<String>,
}

impl<'c> Log<'c> {
    fn new(connection: &'c Connection, types: Types) -> Result<Self, Failure> {
        Ok(Self { client: connection.events()?, connection, types: types.types })
    }

    async fn page(&mut self, page_size: i32, page_token: String) -> Result<ListEventsResponse, Status> {
        let (tenant_id, types) = (self.connection.tenant(), self.types.clone());
        let request = ListEventsRequest { tenant_id, types, page_size, page_token };
        Ok(self.client.list_events(request).await?.into_inner())
    }
}

async fn list(args: ListArgs, connection: &Connection, output: &mut Output) -> Answer {
    let mut log = Log::new(connection, args.types)?;
    let pages = args.limit.read(async |page_size, page_token| {
        let page = log.page(page_size, page_token).await?;
        // The token of the last page is for followers.
        Ok((page.events, if page.has_more { page.next_page_token } else { String::new() }))
    });
    let listed = pages.await.map_err(connection.failed(Service::Webhook, "list the events"))?;
    output.list(&listed.items, COLUMNS)?;
    listed.tell(output, "events");
    Ok(Exit::Done)
}

const TYPE_COLUMNS: &[Column<EventType>] =
    &[("TYPE", |found, _| found.name.clone()), ("WHEN", |found, _| found.description.clone())];

async fn types(args: TypesArgs, connection: &Connection, output: &mut Output) -> Answer {
    let mut client = connection.events()?;
    let pages = Limit::NONE.read(async |page_size, page_token| {
        let types = args.types.clone();
        let request = ListEventTypesRequest { tenant_id: connection.tenant(), types, page_size, page_token };
        let page = client.list_event_types(request).await?.into_inner();
        Ok((page.event_types, page.next_page_token))
    });
    let listed = pages.await.map_err(connection.failed(Service::Webhook, "list the types of events"))?;
    if args.schema {
        let schemas = listed.items.iter().map(|found| serde_json::from_str(&found.schema));
        let schemas = schemas.collect::<Result<Vec<Value>, _>>();
        output.json(&Value::Array(schemas.map_err(|error| Failure::fault("read a schema", error))?))?;
        return Ok(Exit::Done);
    }
    output.list(&listed.items, TYPE_COLUMNS)?;
    listed.tell(output, "types of events");
    Ok(Exit::Done)
}

async fn tail(args: TailArgs, connection: &Connection, output: &mut Output) -> Answer {
    let mut log = Log::new(connection, args.types)?;
    let mut left = args.count.unwrap_or(usize::MAX);
    let (mut is_old, mut token) = (!args.from_start, String::new());
    while left > 0 {
        let page = log.page(TAIL_PAGE, token).await;
        let page = page.map_err(connection.failed(Service::Webhook, "follow the events"))?;
        token = page.next_page_token;
        for event in page.events.iter().take(if is_old { 0 } else { left }) {
            show(event, output)?;
            left -= 1;
        }
        if !page.has_more {
            if is_old {
                output.note("waiting for events; Ctrl-C ends");
            }
            is_old = false;
            tokio::time::sleep(args.interval.0.max(Duration::from_millis(50))).await;
        }
    }
    Ok(Exit::Done)
}

fn show(event: &LoggedEvent, output: &mut Output) -> Result<(), Failure> {
    if output.is_json() {
        return output.line(&to_json(event)?.to_string());
    }
    let at =
        event.occurred_at.as_ref().and_then(|at| svc_kit::clock::Timestamp::from_proto(at).ok()).unwrap_or_default();
    output.line(&format!("{at}  {:<24}  {}  {}", event.r#type, event.id, about(&event.payload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_about_its_session_or_user() {
        assert_eq!(about(r#"{"data":{"session":{"id":"sess_1"}}}"#), "sess_1");
        assert_eq!(about(r#"{"data":{"user_id":"user_1"}}"#), "user_1");
        assert_eq!(about("not json"), "");
    }
}
