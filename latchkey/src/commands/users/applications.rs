//! What ties a user to applications: registrations (`latchkey users register`, `registrations`, `deregister`) and consents
//! (`consents`, `withdraw-consent`).

use clap::Args;
use proto::auth::v1::{
    Consent, CreateRegistrationRequest, DeleteRegistrationRequest, ListConsentsRequest, ListRegistrationsRequest,
    Registration, WithdrawConsentRequest,
};

use super::user_id;
use crate::{
    Answer,
    commands::pages::Limit,
    connect::{Connection, Service},
    failure::Exit,
    output::{Column, Output, text::relative},
};

/// A user, and how many of their ties to list.
#[derive(Args, Debug)]
pub struct OfUserArgs {
    /// Id (`user_…`) or e-mail address of the user.
    user: String,
    #[command(flatten)]
    limit: Limit,
}

/// A user and an application.
#[derive(Args, Debug)]
pub struct TieArgs {
    /// Id (`user_…`) or e-mail address of the user.
    user: String,
    /// Id of the application.
    application: String,
}

const REGISTRATIONS: &[Column<Registration>] = &[
    ("APPLICATION", |registration, _| registration.application_id.clone()),
    ("REGISTERED", |registration, now| relative(registration.created_at.as_ref(), now)),
];

const CONSENTS: &[Column<Consent>] = &[
    ("APPLICATION", |consent, _| consent.application_id.clone()),
    ("SCOPES", |consent, _| consent.scopes.join(" ")),
    ("AGREED", |consent, now| relative(consent.given_at.as_ref(), now)),
];

pub(super) async fn registrations(args: OfUserArgs, connection: &Connection, output: &mut Output) -> Answer {
    let user_id = user_id(args.user, connection).await?;
    let mut client = connection.registrations()?;
    let pages = args.limit.read(async |page_size, page_token| {
        let request = ListRegistrationsRequest { user_id: user_id.clone(), page_size, page_token };
        let page = client.list_registrations(request).await?.into_inner();
        Ok((page.registrations, page.next_page_token))
    });
    let listed = pages.await.map_err(connection.failed(Service::Auth, "list the registrations"))?;
    output.list(&listed.items, REGISTRATIONS)?;
    listed.tell(output, "registrations");
    Ok(Exit::Done)
}

pub(super) async fn consents(args: OfUserArgs, connection: &Connection, output: &mut Output) -> Answer {
    let user_id = user_id(args.user, connection).await?;
    let mut client = connection.consents()?;
    let pages = args.limit.read(async |page_size, page_token| {
        let request = ListConsentsRequest { user_id: user_id.clone(), page_size, page_token };
        let page = client.list_consents(request).await?.into_inner();
        Ok((page.consents, page.next_page_token))
    });
    let listed = pages.await.map_err(connection.failed(Service::Auth, "list the consents"))?;
    output.list(&listed.items, CONSENTS)?;
    listed.tell(output, "consents");
    Ok(Exit::Done)
}

pub(super) async fn register(args: TieArgs, connection: &Connection, output: &mut Output) -> Answer {
    let user_id = user_id(args.user, connection).await?;
    let request = CreateRegistrationRequest { user_id, application_id: args.application };
    let answer = connection.registrations()?.create_registration(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "register the user"))?.into_inner();
    output.done(&answer, "registered")?;
    Ok(Exit::Done)
}

pub(super) async fn deregister(args: TieArgs, connection: &Connection, output: &mut Output) -> Answer {
    let user_id = user_id(args.user, connection).await?;
    let request = DeleteRegistrationRequest { user_id, application_id: args.application };
    let answer = connection.registrations()?.delete_registration(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "delete the registration"))?.into_inner();
    output.done(&answer, "not registered any more; the user's sessions in the application end")?;
    Ok(Exit::Done)
}

pub(super) async fn withdraw_consent(args: TieArgs, connection: &Connection, output: &mut Output) -> Answer {
    let user_id = user_id(args.user, connection).await?;
    let request = WithdrawConsentRequest { user_id, application_id: args.application };
    let answer = connection.consents()?.withdraw_consent(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "withdraw the consent"))?.into_inner();
    output.done(&answer, "withdrawn; the user's sessions in the application end")?;
    Ok(Exit::Done)
}
