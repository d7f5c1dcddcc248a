//! `latchkey users register`, `registrations` and `deregister`: which applications let a user in.

use clap::Args;
use proto::auth::v1::{CreateRegistrationRequest, DeleteRegistrationRequest, ListRegistrationsRequest, Registration};

use super::user_id;
use crate::{
    Answer,
    commands::pages::Limit,
    connect::{Connection, Service},
    failure::Exit,
    output::{Column, Output, text::relative},
};

/// Arguments of `latchkey users registrations`.
#[derive(Args, Debug)]
pub struct RegistrationsArgs {
    /// Id (`user_…`) or e-mail address of the user.
    user: String,
    #[command(flatten)]
    limit: Limit,
}

/// Arguments of `latchkey users register` and `deregister`.
#[derive(Args, Debug)]
pub struct RegisterArgs {
    /// Id (`user_…`) or e-mail address of the user.
    user: String,
    /// Id of the application.
    application: String,
}

const COLUMNS: &[Column<Registration>] = &[
    ("APPLICATION", |registration, _| registration.application_id.clone()),
    ("REGISTERED", |registration, now| relative(registration.created_at.as_ref(), now)),
];

pub(super) async fn list(args: RegistrationsArgs, connection: &Connection, output: &mut Output) -> Answer {
    let user_id = user_id(args.user, connection).await?;
    let mut client = connection.registrations()?;
    let pages = args.limit.read(async |page_size, page_token| {
        let request = ListRegistrationsRequest { user_id: user_id.clone(), page_size, page_token };
        let page = client.list_registrations(request).await?.into_inner();
        Ok((page.registrations, page.next_page_token))
    });
    let listed = pages.await.map_err(connection.failed(Service::Auth, "list the registrations"))?;
    output.list(&listed.items, COLUMNS)?;
    listed.tell(output, "registrations");
    Ok(Exit::Done)
}

pub(super) async fn register(args: RegisterArgs, connection: &Connection, output: &mut Output) -> Answer {
    let user_id = user_id(args.user, connection).await?;
    let request = CreateRegistrationRequest { user_id, application_id: args.application };
    let answer = connection.registrations()?.create_registration(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "register the user"))?.into_inner();
    output.done(&answer, "registered")?;
    Ok(Exit::Done)
}

pub(super) async fn deregister(args: RegisterArgs, connection: &Connection, output: &mut Output) -> Answer {
    let user_id = user_id(args.user, connection).await?;
    let request = DeleteRegistrationRequest { user_id, application_id: args.application };
    let answer = connection.registrations()?.delete_registration(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "delete the registration"))?.into_inner();
    output.done(&answer, "not registered any more; the user's sessions in the application end")?;
    Ok(Exit::Done)
}
