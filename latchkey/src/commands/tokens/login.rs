//! `latchkey login`

use clap::Args;
use proto::{
    auth::v1::LoginRequest,
    session::v1::{Device, DeviceType},
};

use super::{Print, show};
use crate::{
    Answer,
    commands::input::PasswordArgs,
    connect::{Connection, Service},
    output::Output,
};

/// Arguments of `latchkey login`.
#[derive(Args, Debug)]
pub struct LoginArgs {
    /// E-mail address of the user.
    user: String,
    /// Application to sign in to.
    #[arg(long, value_name = "ID")]
    application: String,
    /// OAuth scope to ask for; may be repeated. Without it: all that the application may have.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    #[command(flatten)]
    password: PasswordArgs,
    /// Prints only this value. Cannot be used with --json.
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with = "json")]
    print: Option<Print>,
}

pub(in crate::commands) async fn login(args: LoginArgs, connection: &Connection, output: &mut Output) -> Answer {
    let device =
        Device { r#type: DeviceType::Other.into(), description: "latchkey command line".into(), ..Device::default() };
    let request = LoginRequest {
        tenant_id: connection.tenant(),
        application_id: args.application,
        password: args.password.existing(&args.user)?,
        login: args.user,
        device: Some(device),
        scopes: args.scopes,
    };
    let answer = connection.auth()?.login(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "sign in"))?.into_inner();
    show(&answer, args.print, output)
}
