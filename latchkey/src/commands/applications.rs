//! `latchkey applications`: what users sign in to.

use clap::{Args, Subcommand};
use proto::auth::v1::{
    Application, ClientType, CreateApplicationRequest, CreateApplicationResponse, GetApplicationRequest,
    ListApplicationsRequest, SessionMode,
};

use super::pages::Limit;
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::Exit,
    output::{Column, Output, text::word},
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
}

/// Names an application.
#[derive(Args, Debug)]
pub struct ApplicationArgs {
    /// Id of the application: its `client_id`.
    application: String,
}

/// Arguments of `latchkey applications create`.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Id of the application: its `client_id`.
    application: String,
    /// Name for people.
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    /// It cannot keep a secret: a single-page or native application. It must use PKCE, and its refresh tokens rotate.
    #[arg(long)]
    public: bool,
    /// Where codes may be sent; may be repeated.
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// Where a browser may be sent after logout; may be repeated.
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<String>,
    /// Scope that it may have of its own (client credentials grant), e.g. `sessions.read`; may be repeated.
    #[arg(long = "service-scope", value_name = "SCOPE")]
    service_scopes: Vec<String>,
    /// It keeps its own sessions; it gets no refresh token and is told of logouts.
    #[arg(long)]
    managed: bool,
    /// Its sessions live on when the SSO session ends.
    #[arg(long)]
    keep_on_sso_logout: bool,
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
];

const CREATED: &[Column<CreateApplicationResponse>] = &[
    ("application", |answer, _| {
        answer.application.as_ref().map(|application| application.id.clone()).unwrap_or_default()
    }),
    ("type", |answer, _| answer.application.as_ref().map(client_type).unwrap_or_default()),
    ("secret", |answer, _| answer.client_secret.clone()),
];

fn client_type(application: &Application) -> String {
    word(application.client_type().as_str_name(), "CLIENT_TYPE_")
}

fn session_mode(application: &Application) -> String {
    word(application.session_mode().as_str_name(), "SESSION_MODE_").replace('_', "-")
}

pub(super) async fn run(command: ApplicationsCommand, connection: &Connection, output: &mut Output) -> Answer {
    match command {
        ApplicationsCommand::Create(args) => create(args, connection, output).await,
        ApplicationsCommand::List(limit) => list(limit, connection, output).await,
        ApplicationsCommand::Get(args) => get(args, connection, output).await,
    }
}

async fn create(args: CreateArgs, connection: &Connection, output: &mut Output) -> Answer {
    let client_type = if args.public { ClientType::Public } else { ClientType::Confidential };
    let session_mode = if args.managed { SessionMode::ApplicationManaged } else { SessionMode::Centralized };
    let application = Application {
        name: if args.name.is_empty() { args.application.clone() } else { args.name },
        id: args.application,
        tenant_id: connection.tenant(),
        client_type: client_type.into(),
        redirect_uris: args.redirect_uris,
        post_logout_redirect_uris: args.post_logout_redirect_uris,
        service_scopes: args.service_scopes,
        session_mode: session_mode.into(),
        keep_on_sso_logout: args.keep_on_sso_logout,
        ..Application::default()
    };
    let request = CreateApplicationRequest { application: Some(application) };
    let answer = connection.applications()?.create_application(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "create the application"))?.into_inner();
    output.one(&answer, CREATED)?;
    if !answer.client_secret.is_empty() {
        output.note("the secret is shown this once");
    }
    Ok(Exit::Done)
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
