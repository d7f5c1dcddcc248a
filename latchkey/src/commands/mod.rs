//! One module for each group of commands: its arguments, its calls, what it shows.

pub mod applications;
pub mod audit;
pub mod completion;
pub mod deliveries;
pub mod dev;
pub mod endpoints;
pub mod events;
mod input;
pub mod keys;
pub mod listen;
mod pages;
pub mod policies;
pub mod receive;
pub mod sessions;
pub mod signing_keys;
pub mod tenants;
pub mod tokens;
pub mod users;

use crate::{
    Answer,
    cli::{Cli, Command},
    connect::Connection,
    output::Output,
};

/// Runs a command.
///
/// # Errors
/// [`Failure`](crate::failure::Failure): why it could not be done.
pub async fn run(cli: Cli, output: &mut Output) -> Answer {
    let connection = Connection::new(cli.options);
    match cli.command {
        Command::Login(args) => tokens::login(args, &connection, output).await,
        Command::Refresh(args) => tokens::refresh(args, &connection, output).await,
        Command::Logout(args) => tokens::logout(args, &connection, output).await,
        Command::Introspect(args) => tokens::introspect(args, &connection, output).await,
        Command::Tenants(command) => tenants::run(command, &connection, output).await,
        Command::Users(command) => users::run(command, &connection, output).await,
        Command::Applications(command) => applications::run(command, &connection, output).await,
        Command::Audit(args) => audit::run(args, &connection, output).await,
        Command::Keys(command) => keys::run(command, &connection, output).await,
        Command::SigningKeys(command) => signing_keys::run(command, &connection, output).await,
        Command::Sessions(command) => sessions::run(command, &connection, output).await,
        Command::Policies(command) => policies::run(command, &connection, output).await,
        Command::Endpoints(command) => endpoints::run(command, &connection, output).await,
        Command::Deliveries(command) => deliveries::run(command, &connection, output).await,
        Command::Events(command) => events::run(command, &connection, output).await,
        Command::Listen(args) => listen::run(args, &connection, output).await,
        Command::Receive(args) => receive::run(args, output).await,
        Command::Dev(args) => dev::run(args, output).await,
        Command::Completion(args) => completion::run(&args, output),
    }
}
