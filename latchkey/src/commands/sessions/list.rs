//! `latchkey sessions list`

use clap::Args;
use proto::session::v1::{ListSessionsRequest, SessionOrder, SessionState};

use super::{
    filter::{Narrow, State},
    show,
};
use crate::{
    Answer,
    commands::{pages::Limit, users::user_id},
    connect::{Connection, Service},
    failure::Exit,
    output::Output,
};

/// Arguments of `latchkey sessions list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// User whose sessions are listed: id, or e-mail address (looked up in auth-svc).
    #[arg(long, value_name = "USER")]
    user: String,
    #[command(flatten)]
    narrow: Narrow,
    /// Sessions in this state; may be repeated. Without it: those alive.
    #[arg(long = "state", value_enum, value_name = "STATE")]
    states: Vec<State>,
    /// Oldest first, instead of newest.
    #[arg(long)]
    oldest_first: bool,
    #[command(flatten)]
    limit: Limit,
}

pub(super) async fn run(args: ListArgs, connection: &Connection, output: &mut Output) -> Answer {
    let order = if args.oldest_first { SessionOrder::OldestFirst } else { SessionOrder::NewestFirst };
    let user = user_id(args.user, connection).await?;
    let mut filter = args.narrow.filter(connection.tenant(), user, output.now());
    filter.states = args.states.into_iter().map(|state| SessionState::from(state).into()).collect();
    let mut client = connection.sessions()?;
    let pages = args.limit.read(async |page_size, page_token| {
        let filter = Some(filter.clone());
        let request = ListSessionsRequest { filter, page_size, page_token, order: order.into() };
        let page = client.list_sessions(request).await?.into_inner();
        Ok((page.sessions, page.next_page_token))
    });
    let listed = pages.await.map_err(connection.failed(Service::Session, "list the sessions"))?;
    output.list(&listed.items, show::COLUMNS)?;
    listed.tell(output, "sessions");
    Ok(Exit::Done)
}
