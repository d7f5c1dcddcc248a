//! `latchkey users create`, `update`, `disable`, `enable`, `delete`, `set-password` and `change-password`.

use clap::Args;
use proto::auth::v1::{
    ChangePasswordRequest, CreateUserRequest, DeleteUserRequest, DisableUserRequest, EnableUserRequest,
    SetPasswordRequest, UpdateUserRequest, User,
};

use super::{UserArgs, show, user_id};
use crate::{
    Answer,
    commands::input::{PasswordArgs, another_password},
    connect::{Connection, Service},
    failure::{Exit, Failure},
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

/// Arguments of `latchkey users update`.
#[derive(Args, Debug)]
pub struct UpdateArgs {
    /// Id (`user_…`) or e-mail address of the user.
    user: String,
    /// New e-mail address, which the user signs in with; not verified unless that is said too.
    #[arg(long)]
    login: Option<String>,
    /// New name for people.
    #[arg(long)]
    name: Option<String>,
    /// Claim as NAME=VALUE, e.g. `locale=en-GB`; may be repeated. Replaces all claims.
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    claims: Option<Vec<String>>,
    /// Whether the e-mail address is verified.
    #[arg(long, value_name = "BOOL")]
    email_verified: Option<bool>,
    /// Whether the user must change the password before the next sign-in.
    #[arg(long, value_name = "BOOL")]
    password_change_required: Option<bool>,
}

/// Arguments of `latchkey users set-password`.
#[derive(Args, Debug)]
pub struct SetPasswordArgs {
    /// Id (`user_…`) or e-mail address of the user.
    user: String,
    /// The user must change it before the first sign-in with it.
    #[arg(long)]
    change_required: bool,
    #[command(flatten)]
    password: PasswordArgs,
}

/// Arguments of `latchkey users change-password`.
#[derive(Args, Debug)]
pub struct ChangePasswordArgs {
    /// E-mail address of the user.
    login: String,
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
    let request = SetPasswordRequest {
        user_id: user_id(args.user, connection).await?,
        password,
        change_required: args.change_required,
    };
    let answer = connection.users()?.set_password(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "set the password"))?.into_inner();
    output.done(&answer, "password set; every session of the user ends")?;
    Ok(Exit::Done)
}

pub(super) async fn change_password(args: ChangePasswordArgs, connection: &Connection, output: &mut Output) -> Answer {
    let request = ChangePasswordRequest {
        tenant_id: connection.tenant(),
        password: args.password.existing(&args.login)?,
        new_password: another_password(&args.login)?,
        login: args.login,
        ..ChangePasswordRequest::default()
    };
    let answer = connection.auth()?.change_password(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "change the password"))?.into_inner();
    output.done(&answer, "password changed; every session of the user ends")?;
    Ok(Exit::Done)
}

pub(super) async fn update(args: UpdateArgs, connection: &Connection, output: &mut Output) -> Answer {
    let attempt = "update the user";
    let mut user = User::default();
    let mut paths = Vec::new();
    let mut changes = |is_given: bool, path: &str| {
        if is_given {
            paths.push(path.to_owned());
        }
    };
    changes(args.login.is_some(), "login");
    changes(args.name.is_some(), "name");
    changes(args.claims.is_some(), "claims");
    changes(args.email_verified.is_some(), "email_verified");
    changes(args.password_change_required.is_some(), "password_change_required");
    if paths.is_empty() {
        return Err(Failure::usage(attempt, "nothing to change is given"));
    }
    for claim in args.claims.unwrap_or_default() {
        let Some((name, value)) = claim.split_once('=') else {
            return Err(Failure::usage(attempt, format!("{claim} is not NAME=VALUE")));
        };
        user.claims.insert(name.to_owned(), value.to_owned());
    }
    user.login = args.login.unwrap_or_default();
    user.name = args.name.unwrap_or_default();
    user.email_verified = args.email_verified.unwrap_or_default();
    user.password_change_required = args.password_change_required.unwrap_or_default();
    user.id = user_id(args.user, connection).await?;
    let request = UpdateUserRequest { user: Some(user), update_mask: Some(prost_types::FieldMask { paths }) };
    let answer = connection.users()?.update_user(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, attempt))?.into_inner();
    output.one(&answer.user.unwrap_or_default(), show::FIELDS)?;
    Ok(Exit::Done)
}

pub(super) async fn delete(args: UserArgs, connection: &Connection, output: &mut Output) -> Answer {
    let request = DeleteUserRequest { user_id: user_id(args.user, connection).await? };
    let answer = connection.users()?.delete_user(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "delete the user"))?.into_inner();
    output.done(&answer, "user deleted; every session of the user ends")?;
    Ok(Exit::Done)
}
