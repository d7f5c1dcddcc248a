//! `latchkey users create`, `disable`, `enable` and `set-password`.

use clap::Args;
use proto::auth::v1::{CreateUserRequest, DisableUserRequest, EnableUserRequest, SetPasswordRequest};

use super::{UserArgs, show, user_id};
use crate::{
    Answer,
    commands::input::PasswordArgs,
    connect::{Connection, Service},
    failure::Exit,
    output::Output,
};

/// Arguments of `latchkey users create`.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// E-mail address, which the user signs in with.
    login: String,
    /// Name for people.
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    #[command(flatten)]
    password: PasswordArgs,
}

/// Arguments of `latchkey users set-password`.
#[derive(Args, Debug)]
pub struct SetPasswordArgs {
    /// Id (`user_…`) or e-mail address of the user.
    user: String,
    #[command(flatten)]
    password: PasswordArgs,
}

pub(super) async fn create(args: CreateArgs, connection: &Connection, output: &mut Output) -> Answer {
    let request = CreateUserRequest {
        tenant_id: connection.tenant(),
        password: args.password.new_one(&args.login)?,
        login: args.login,
        name: args.name,
    };
    let answer = connection.users()?.create_user(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "create the user"))?.into_inner();
    output.one(&answer.user.unwrap_or_default(), show::FIELDS)?;
    Ok(Exit::Done)
}

pub(super) async fn disable(args: UserArgs, connection: &Connection, output: &mut Output) -> Answer {
    let request = DisableUserRequest { user_id: user_id(args.user, connection).await? };
    let answer = connection.users()?.disable_user(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "disable the user"))?.into_inner();
    output.one(&answer.user.unwrap_or_default(), show::FIELDS)?;
    output.note("every session of the user ends");
    Ok(Exit::Done)
}

pub(super) async fn enable(args: UserArgs, connection: &Connection, output: &mut Output) -> Answer {
    let request = EnableUserRequest { user_id: user_id(args.user, connection).await? };
    let answer = connection.users()?.enable_user(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "enable the user"))?.into_inner();
    output.one(&answer.user.unwrap_or_default(), show::FIELDS)?;
    Ok(Exit::Done)
}

pub(super) async fn set_password(args: SetPasswordArgs, connection: &Connection, output: &mut Output) -> Answer {
    let password = args.password.new_one(&args.user)?;
    let request = SetPasswordRequest { user_id: user_id(args.user, connection).await?, password };
    let answer = connection.users()?.set_password(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "set the password"))?.into_inner();
    output.done(&answer, "password set; every session of the user ends")?;
    Ok(Exit::Done)
}
