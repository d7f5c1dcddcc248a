//! `latchkey refresh` and `latchkey logout`: going on with a refresh token, or not.

use clap::Args;
use proto::auth::v1::{LoginResponse, LogoutRequest, RefreshRequest};

use super::{Print, show};
use crate::{
    Answer,
    commands::input::text_or_stdin,
    connect::{Connection, Service},
    failure::Exit,
    output::Output,
};

/// Arguments of `latchkey refresh`.
#[derive(Args, Debug)]
pub struct RefreshArgs {
    /// Refresh token, `lkr_…`; `-` reads it from stdin.
    token: String,
    /// Application that the token was issued to.
    #[arg(long, value_name = "ID")]
    application: String,
    /// Prints only this value. Cannot be used with --json.
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with = "json")]
    print: Option<Print>,
}

/// Arguments of `latchkey logout`.
#[derive(Args, Debug)]
pub struct LogoutArgs {
    /// Refresh token, `lkr_…`; `-` reads it from stdin.
    token: String,
}

pub(in crate::commands) async fn refresh(args: RefreshArgs, connection: &Connection, output: &mut Output) -> Answer {
    let request = RefreshRequest { refresh_token: text_or_stdin(&args.token)?, application_id: args.application };
    let answer = connection.auth()?.refresh(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "refresh"))?.into_inner();
    show(&LoginResponse { tokens: answer.tokens, session: answer.session }, args.print, output)
}

pub(in crate::commands) async fn logout(args: LogoutArgs, connection: &Connection, output: &mut Output) -> Answer {
    let request = LogoutRequest { refresh_token: text_or_stdin(&args.token)? };
    let answer = connection.auth()?.logout(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "log out"))?.into_inner();
    output.done(&answer, if answer.already_ended { "had ended before; nothing changed" } else { "logged out" })?;
    Ok(Exit::Done)
}
