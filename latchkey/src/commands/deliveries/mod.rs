//! `latchkey deliveries`: what became of webhooks.

mod attempts;
mod replay;

use clap::{Args, Subcommand, ValueEnum};
use proto::webhook::v1::{Delivery, DeliveryState, GetDeliveryRequest, ListDeliveriesRequest, RedeliverRequest};

use self::replay::ReplayArgs;
use super::pages::Limit;
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::Exit,
    output::{
        Column, Output,
        text::{moment, relative, word},
    },
};

/// `latchkey deliveries …`
#[derive(Debug, Subcommand)]
pub enum DeliveriesCommand {
    /// Lists deliveries of the tenant, newest first.
    List(ListArgs),
    /// Shows one delivery with its attempts.
    Get(DeliveryArgs),
    /// Tries a delivery again now, whatever came of it before.
    Redeliver(DeliveryArgs),
    /// Delivers events of the log again.
    Replay(ReplayArgs),
}

/// Arguments of `latchkey deliveries list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Only deliveries to this endpoint.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    endpoint: String,
    /// Only deliveries in this state.
    #[arg(long, value_enum)]
    state: Option<State>,
    #[command(flatten)]
    limit: Limit,
}

/// Names a delivery.
#[derive(Args, Debug)]
pub struct DeliveryArgs {
    /// Id of the delivery, `msg_…`: the `webhook-id` that the receiver sees.
    delivery: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    /// Waits for its next attempt.
    Pending,
    /// The receiver took it.
    Succeeded,
    /// Given up after the last attempt.
    Exhausted,
    /// Its endpoint was disabled or deleted.
    Cancelled,
}

impl From<State> for DeliveryState {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Succeeded => Self::Succeeded,
            State::Exhausted => Self::Exhausted,
            State::Cancelled => Self::Cancelled,
        }
    }
}

const COLUMNS: &[Column<Delivery>] = &[
    ("DELIVERY", |delivery, _| delivery.id.clone()),
    ("STATE", |delivery, _| state(delivery)),
    ("EVENT", |delivery, _| delivery.event_type.clone()),
    ("ENDPOINT", |delivery, _| delivery.endpoint_id.clone()),
    ("ATTEMPTS", |delivery, _| delivery.attempt_count.to_string()),
    ("CREATED", |delivery, now| relative(delivery.created_at.as_ref(), now)),
    ("NEXT", |delivery, now| relative(delivery.next_attempt_at.as_ref(), now)),
];

const FIELDS: &[Column<Delivery>] = &[
    ("delivery", |delivery, _| delivery.id.clone()),
    ("tenant", |delivery, _| delivery.tenant_id.clone()),
    ("endpoint", |delivery, _| delivery.endpoint_id.clone()),
    ("event", |delivery, _| format!("{} ({})", delivery.event_type, delivery.event_id)),
    ("state", |delivery, _| state(delivery)),
    ("created", |delivery, now| moment(delivery.created_at.as_ref(), now)),
    ("next attempt", |delivery, now| moment(delivery.next_attempt_at.as_ref(), now)),
    ("attempts", |delivery, _| delivery.attempt_count.to_string()),
    ("replayed", |delivery, _| if delivery.replayed { "yes".to_owned() } else { String::new() }),
];

fn state(delivery: &Delivery) -> String {
    word(delivery.state().as_str_name(), "DELIVERY_STATE_")
}

pub(super) async fn run(command: DeliveriesCommand, connection: &Connection, output: &mut Output) -> Answer {
    match command {
        DeliveriesCommand::List(args) => list(args, connection, output).await,
        DeliveriesCommand::Get(args) => get(args, connection, output).await,
        DeliveriesCommand::Redeliver(args) => redeliver(args, connection, output).await,
        DeliveriesCommand::Replay(args) => replay::run(args, connection, output).await,
    }
}

async fn list(args: ListArgs, connection: &Connection, output: &mut Output) -> Answer {
    let mut client = connection.deliveries()?;
    let state = args.state.map_or(DeliveryState::Unspecified, DeliveryState::from);
    let pages = args.limit.read(async |page_size, page_token| {
        let request = ListDeliveriesRequest {
            tenant_id: connection.tenant(),
            endpoint_id: args.endpoint.clone(),
            state: state.into(),
            page_size,
            page_token,
        };
        let page = client.list_deliveries(request).await?.into_inner();
        Ok((page.deliveries, page.next_page_token))
    });
    let listed = pages.await.map_err(connection.failed(Service::Webhook, "list the deliveries"))?;
    output.list(&listed.items, COLUMNS)?;
    listed.tell(output, "deliveries");
    Ok(Exit::Done)
}

async fn get(args: DeliveryArgs, connection: &Connection, output: &mut Output) -> Answer {
    let answer = connection.deliveries()?.get_delivery(GetDeliveryRequest { delivery_id: args.delivery }).await;
    let answer = answer.map_err(connection.failed(Service::Webhook, "read the delivery"))?.into_inner();
    let delivery = answer.delivery.unwrap_or_default();
    output.one(&delivery, FIELDS)?;
    if !output.is_json() && !delivery.attempts.is_empty() {
        output.line("")?;
        output.list(&delivery.attempts, attempts::COLUMNS)?;
    }
    Ok(Exit::Done)
}

async fn redeliver(args: DeliveryArgs, connection: &Connection, output: &mut Output) -> Answer {
    let answer = connection.deliveries()?.redeliver(RedeliverRequest { delivery_id: args.delivery }).await;
    let answer = answer.map_err(connection.failed(Service::Webhook, "redeliver"))?.into_inner();
    output.one(&answer.delivery.unwrap_or_default(), FIELDS)?;
    Ok(Exit::Done)
}
