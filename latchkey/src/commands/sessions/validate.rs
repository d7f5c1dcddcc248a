//! `latchkey sessions validate`

use clap::Args;
use proto::session::v1::{
    Activity, ValidateSessionRequest, ValidateSessionResponse, validate_session_request::Session as Which,
};

use super::{is_id, show};
use crate::{
    Answer,
    commands::input::text_or_stdin,
    connect::{Connection, Service},
    failure::{Exit, Failure},
    output::{Output, text::word, to_json},
};

/// Arguments of `latchkey sessions validate`.
#[derive(Args, Debug)]
pub struct ValidateArgs {
    /// Id (`sess_…`) or token (`lkr_…`) of the session; `-` reads it from stdin.
    session: String,
    /// Counts as a use by the person: the idle deadline slides.
    #[arg(long)]
    interactive: bool,
    /// IP address of the user, recorded with --interactive.
    #[arg(long, value_name = "ADDRESS", default_value = "", hide_default_value = true, requires = "interactive")]
    ip: String,
}

pub(super) async fn run(args: ValidateArgs, connection: &Connection, output: &mut Output) -> Answer {
    let session = text_or_stdin(&args.session)?;
    let session = if is_id(&session) { Which::SessionId(session) } else { Which::Token(session) };
    let activity = if args.interactive { Activity::Interactive } else { Activity::Background };
    let request = ValidateSessionRequest { session: Some(session), activity: activity.into(), ip_address: args.ip };
    let answer = connection.sessions()?.validate_session(request).await;
    let answer = answer.map_err(connection.failed(Service::Session, "validate the session"))?.into_inner();
    show_answer(&answer, output)?;
    Ok(if answer.active { Exit::Done } else { Exit::No })
}

fn show_answer(answer: &ValidateSessionResponse, output: &mut Output) -> Result<(), Failure> {
    if output.is_json() {
        let mut value = to_json(answer)?;
        // The JSON form leaves a `false` out, but this one is the answer.
        value["active"] = answer.active.into();
        return output.json(&value);
    }
    if answer.active {
        output.line("active")?;
    } else {
        let reason = word(answer.inactive_reason().as_str_name(), "INACTIVE_REASON_");
        output.line(&format!("not active: {reason}"))?;
    }
    match &answer.session {
        Some(session) => output.one(session, show::FIELDS),
        None => Ok(()),
    }
}
