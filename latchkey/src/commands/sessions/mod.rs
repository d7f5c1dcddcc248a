//! `latchkey sessions`: looks at sessions, checks them and ends them.

mod filter;
mod get;
mod list;
mod revoke;
pub(super) mod show;
mod validate;

use clap::Subcommand;

use crate::{Answer, connect::Connection, output::Output};

/// `latchkey sessions …`
#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// Lists the sessions of a user.
    List(list::ListArgs),
    /// Shows one session, alive or ended within the last 24 hours.
    Get(get::GetArgs),
    /// Says whether a session is alive; exit code 1 when it is not.
    Validate(validate::ValidateArgs),
    /// Ends one session, or those of a user.
    Revoke(revoke::RevokeArgs),
}

pub(super) async fn run(command: SessionsCommand, connection: &Connection, output: &mut Output) -> Answer {
    match command {
        SessionsCommand::List(args) => list::run(args, connection, output).await,
        SessionsCommand::Get(args) => get::run(args, connection, output).await,
        SessionsCommand::Validate(args) => validate::run(args, connection, output).await,
        SessionsCommand::Revoke(args) => revoke::run(args, connection, output).await,
    }
}

/// Says whether `text` is a session id; anything else is taken for a token.
fn is_id(text: &str) -> bool {
    text.starts_with("sess_")
}
