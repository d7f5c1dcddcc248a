//! `latchkey applications`: what users sign in to.

mod change;
mod protocol;

use clap::{Args, Subcommand};
use proto::auth::v1::{Application, DeleteApplicationRequest, GetApplicationRequest, ListApplicationsRequest};

use self::change::{CreateArgs, RotateArgs, UpdateArgs};
use super::pages::Limit;
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::Exit,
    output::{
        Column, Output,
        text::{moment, word},
    },
};

/// `latchkey applications …`
#[derive(Debug, Subcommand)]
pub enum ApplicationsCommand {
    /// Creates an application; prints the secret of a confidential one, once.
    Create(CreateArgs),
    /// Lists the applications of the tenant.
    List(Limit),
    /// Shows one application.
    Get(ApplicationArgs),
    /// Changes an application.
    Update(UpdateArgs),
    /// Makes a new secret and prints it, once; the one before stays good for a while.
    RotateSecret(RotateArgs),
    /// Deletes an application; its sessions end.
    Delete(ApplicationArgs),
}

/// Names an application.
#[derive(Args, Debug)]
pub struct ApplicationArgs {
    /// Id of the application: its `client_id`.
    application: String,
}

const COLUMNS: &[Column<Application>] = &[
    ("APPLICATION", |application, _| application.id.clone()),
    ("NAME", |application, _| application.name.clone()),
    ("TYPE", |application, _| client_type(application)),
    ("SESSIONS", |application, _| session_mode(application)),
    ("REDIRECT URIS", |application, _| application.redirect_uris.join(" ")),
];

const FIELDS: &[Column<Application>] = &[
    ("application", |application, _| application.id.clone()),
    ("tenant", |application, _| application.tenant_id.clone()),
    ("name", |application, _| application.name.clone()),
    ("type", |application, _| client_type(application)),
    ("sessions", |application, _| session_mode(application)),
    ("on sso logout", |application, _| if application.keep_on_sso_logout { "keep" } else { "revoke" }.to_owned()),
    ("redirect uris", |application, _| application.redirect_uris.join(" ")),
    ("after logout", |application, _| application.post_logout_redirect_uris.join(" ")),
    ("service scopes", |application, _| application.service_scopes.join(" ")),
    ("authentication", |application, _| authentication(application)),
    ("keys at", |application, _| application.jwks_uri.clone()),
    ("old secret until", |application, now| moment(application.old_secret_expires_at.as_ref(), now)),
    ("pkce", |application, _| word(application.pkce().as_str_name(), "PKCE_REQUIREMENT_")),
    ("pushed requests", |application, _| required(application.pushed_requests_required)),
    ("dpop", |application, _| required(application.dpop_required)),
    ("userinfo", |application, _| if application.userinfo_signed { "signed" } else { "plain" }.to_owned()),
    ("devices", |application, _| if application.device_grant { "allowed" } else { "not allowed" }.to_owned()),
    ("signed by", |application, _| word(application.signing_algorithm().as_str_name(), "SIGNING_ALGORITHM_")),
    ("consent", |application, _| if application.consent_required { "asked" } else { "not asked" }.to_owned()),
    ("logout reach", |application, _| logout_reach(application)),
    ("front-channel logout", |application, _| application.frontchannel_logout_uri.clone()),
    ("back-channel logout", |application, _| application.backchannel_logout_uri.clone()),
    ("cors origins", |application, _| application.cors_origins.join(" ")),
    ("resources", |application, _| application.allowed_resources.join(" ")),
];

fn required(is_required: bool) -> String {
    if is_required { "required" } else { "optional" }.to_owned()
}

fn client_type(application: &Application) -> String {
    word(application.client_type().as_str_name(), "CLIENT_TYPE_")
}

fn authentication(application: &Application) -> String {
    word(application.client_authentication().as_str_name(), "CLIENT_AUTHENTICATION_").replace('_', "-")
}

fn logout_reach(application: &Application) -> String {
    let reach = word(application.logout_reach().as_str_name(), "LOGOUT_REACH_");
    if application.logout_application_ids.is_empty() {
        reach
    } else {
        format!("{reach}: {}", application.logout_application_ids.join(" "))
    }
}

fn session_mode(application: &Application) -> String {
    word(application.session_mode().as_str_name(), "SESSION_MODE_").replace('_', "-")
}

pub(super) async fn run(command: ApplicationsCommand, connection: &Connection, output: &mut Output) -> Answer {
    match command {
        ApplicationsCommand::Create(args) => change::create(args, connection, output).await,
        ApplicationsCommand::List(limit) => list(limit, connection, output).await,
        ApplicationsCommand::Get(args) => get(args, connection, output).await,
        ApplicationsCommand::Update(args) => change::update(args, connection, output).await,
        ApplicationsCommand::RotateSecret(args) => change::rotate(args, connection, output).await,
        ApplicationsCommand::Delete(args) => delete(args, connection, output).await,
    }
}

async fn list(limit: Limit, connection: &Connection, output: &mut Output) -> Answer {
    let mut client = connection.applications()?;
    let pages = limit.read(async |page_size, page_token| {
        let request = ListApplicationsRequest { tenant_id: connection.tenant(), page_size, page_token };
        let page = client.list_applications(request).await?.into_inner();
        Ok((page.applications, page.next_page_token))
    });
    let listed = pages.await.map_err(connection.failed(Service::Auth, "list the applications"))?;
    output.list(&listed.items, COLUMNS)?;
    listed.tell(output, "applications");
    Ok(Exit::Done)
}

async fn get(args: ApplicationArgs, connection: &Connection, output: &mut Output) -> Answer {
    let request = GetApplicationRequest { application_id: args.application };
    let answer = connection.applications()?.get_application(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "read the application"))?.into_inner();
    output.one(&answer.application.unwrap_or_default(), FIELDS)?;
    Ok(Exit::Done)
}

async fn delete(args: ApplicationArgs, connection: &Connection, output: &mut Output) -> Answer {
    let request = DeleteApplicationRequest { application_id: args.application };
    let answer = connection.applications()?.delete_application(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "delete the application"))?.into_inner();
    output.done(&answer, "application deleted; its sessions end")?;
    Ok(Exit::Done)
}
