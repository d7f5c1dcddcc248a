//! `latchkey users`: who may sign in.

mod applications;
mod change;
mod import;
mod resolve;
mod show;

use clap::{Args, Subcommand};
use proto::auth::v1::{GetUserRequest, ListUsersRequest};

pub(super) use resolve::user_id;

use super::pages::Limit;
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::Exit,
    output::Output,
};

/// `latchkey users …`
#[derive(Debug, Subcommand)]
pub enum UsersCommand {
    /// Creates a user.
    Create(change::CreateArgs),
    /// Takes over users from another system, with the hashes of their passwords.
    Import(import::ImportArgs),
    /// Lists the users of the tenant.
    List(Limit),
    /// Shows one user.
    Get(UserArgs),
    /// Disables a user: no more sign-ins, and every session ends.
    Disable(UserArgs),
    /// Lets a disabled user sign in again.
    Enable(UserArgs),
    /// Changes what is known of a user.
    Update(change::UpdateArgs),
    /// Deletes a user for good; every session ends.
    Delete(UserArgs),
    /// Sets a password; every session of the user ends.
    SetPassword(change::SetPasswordArgs),
    /// Changes a password by the present one, as its user; the new one comes from LATCHKEY_NEW_PASSWORD or the terminal.
    ChangePassword(change::ChangePasswordArgs),
    /// Registers a user for an application; one that requires it lets nobody else in.
    Register(applications::TieArgs),
    /// Lists the applications that a user is registered for.
    Registrations(applications::OfUserArgs),
    /// Deletes a registration; the user's sessions in the application end.
    Deregister(applications::TieArgs),
    /// Lists what a user agreed that applications get to know.
    Consents(applications::OfUserArgs),
    /// Withdraws a user's consent; their sessions in the application end.
    WithdrawConsent(applications::TieArgs),
}

/// Names a user.
#[derive(Args, Debug)]
pub struct UserArgs {
    /// Id (`user_…`) or e-mail address of the user.
    user: String,
}

pub(super) async fn run(command: UsersCommand, connection: &Connection, output: &mut Output) -> Answer {
    match command {
        UsersCommand::Create(args) => change::create(args, connection, output).await,
        UsersCommand::Import(args) => import::run(args, connection, output).await,
        UsersCommand::List(limit) => list(limit, connection, output).await,
        UsersCommand::Get(args) => get(args, connection, output).await,
        UsersCommand::Disable(args) => change::disable(args, connection, output).await,
        UsersCommand::Enable(args) => change::enable(args, connection, output).await,
        UsersCommand::Update(args) => change::update(args, connection, output).await,
        UsersCommand::Delete(args) => change::delete(args, connection, output).await,
        UsersCommand::SetPassword(args) => change::set_password(args, connection, output).await,
        UsersCommand::ChangePassword(args) => change::change_password(args, connection, output).await,
        UsersCommand::Register(args) => applications::register(args, connection, output).await,
        UsersCommand::Registrations(args) => applications::registrations(args, connection, output).await,
        UsersCommand::Deregister(args) => applications::deregister(args, connection, output).await,
        UsersCommand::Consents(args) => applications::consents(args, connection, output).await,
        UsersCommand::WithdrawConsent(args) => applications::withdraw_consent(args, connection, output).await,
    }
}

async fn list(limit: Limit, connection: &Connection, output: &mut Output) -> Answer {
    let mut client = connection.users()?;
    let pages = limit.read(async |page_size, page_token| {
        let request = ListUsersRequest { tenant_id: connection.tenant(), login: String::new(), page_size, page_token };
        let page = client.list_users(request).await?.into_inner();
        Ok((page.users, page.next_page_token))
    });
    let listed = pages.await.map_err(connection.failed(Service::Auth, "list the users"))?;
    output.list(&listed.items, show::COLUMNS)?;
    listed.tell(output, "users");
    Ok(Exit::Done)
}

async fn get(args: UserArgs, connection: &Connection, output: &mut Output) -> Answer {
    let request = GetUserRequest { user_id: user_id(args.user, connection).await? };
    let answer = connection.users()?.get_user(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "read the user"))?.into_inner();
    output.one(&answer.user.unwrap_or_default(), show::FIELDS)?;
    Ok(Exit::Done)
}
