//! `latchkey users consents` and `withdraw-consent`: what a user agreed that applications get to know.

use clap::Args;
use proto::auth::v1::{Consent, ListConsentsRequest, WithdrawConsentRequest};

use super::user_id;
use crate::{
    Answer,
    commands::pages::Limit,
    connect::{Connection, Service},
    failure::Exit,
    output::{Column, Output, text::relative},
};

/// Arguments of `latchkey users consents`.
#[derive(Args, Debug)]
pub struct ConsentsArgs {
    /// Id (`user_…`) or e-mail address of the user.
    user: String,
    #[command(flatten)]
    limit: Limit,
}

/// Arguments of `latchkey users withdraw-consent`.
#[derive(Args, Debug)]
pub struct WithdrawArgs {
    /// Id (`user_…`) or e-mail address of the user.
    user: String,
    /// Id of the application.
    application: String,
}

const COLUMNS: &[Column<Consent>] = &[
    ("APPLICATION", |consent, _| consent.application_id.clone()),
    ("SCOPES", |consent, _| consent.scopes.join(" ")),
    ("AGREED", |consent, now| relative(consent.given_at.as_ref(), now)),
];

pub(super) async fn list(args: ConsentsArgs, connection: &Connection, output: &mut Output) -> Answer {
    let user_id = user_id(args.user, connection).await?;
    let mut client = connection.consents()?;
    let pages = args.limit.read(async |page_size, page_token| {
        let request = ListConsentsRequest { user_id: user_id.clone(), page_size, page_token };
        let page = client.list_consents(request).await?.into_inner();
        Ok((page.consents, page.next_page_token))
    });
    let listed = pages.await.map_err(connection.failed(Service::Auth, "list the consents"))?;
    output.list(&listed.items, COLUMNS)?;
    listed.tell(output, "consents");
    Ok(Exit::Done)
}

pub(super) async fn withdraw(args: WithdrawArgs, connection: &Connection, output: &mut Output) -> Answer {
    let user_id = user_id(args.user, connection).await?;
    let request = WithdrawConsentRequest { user_id, application_id: args.application };
    let answer = connection.consents()?.withdraw_consent(request).await;
    answer.map_err(connection.failed(Service::Auth, "withdraw the consent"))?;
    output.note("withdrawn; the user's sessions in the application end");
    Ok(Exit::Done)
}
