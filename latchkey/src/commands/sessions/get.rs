//! `latchkey sessions get`

use clap::Args;
use proto::session::v1::GetSessionRequest;

use super::show;
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::Exit,
    output::Output,
};

/// Arguments of `latchkey sessions get`.
#[derive(Args, Debug)]
pub struct GetArgs {
    /// Id of the session, `sess_…`.
    session: String,
}

pub(super) async fn run(args: GetArgs, connection: &Connection, output: &mut Output) -> Answer {
    let request = GetSessionRequest { session_id: args.session };
    let answer = connection.sessions()?.get_session(request).await;
    let answer = answer.map_err(connection.failed(Service::Session, "read the session"))?.into_inner();
    output.one(&answer.session.unwrap_or_default(), show::FIELDS)?;
    Ok(Exit::Done)
}
