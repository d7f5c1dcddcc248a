//! `latchkey applications create`, `update` and `rotate-secret`: their arguments, and what an update changes.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use proto::auth::v1::{
    Application, ClientAuthentication, ClientType, CreateApplicationRequest, CreateApplicationResponse, LogoutReach,
    PkceRequirement, RotateClientSecretRequest, RotateClientSecretResponse, SessionMode, UpdateApplicationRequest,
};

use super::{FIELDS, client_type, protocol::ProtocolArgs};
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::{Exit, Failure},
    output::{Column, Output, text::moment},
};

/// Arguments of `latchkey applications create`.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Id of the application: its `client_id`.
    application: String,
    /// It cannot keep a secret: a single-page or native application. It must use PKCE, and its refresh tokens rotate.
    #[arg(long)]
    public: bool,
    /// It authenticates itself by a JWT signed with its own key, not by a secret; needs --jwks or --jwks-uri.
    #[arg(long, conflicts_with = "public", requires = "keys")]
    private_key_jwt: bool,
    /// It keeps its own sessions; it gets no refresh token and is told of logouts.
    #[arg(long)]
    managed: bool,
    /// Its sessions live on when the SSO session ends.
    #[arg(long)]
    keep_on_sso_logout: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Arguments of `latchkey applications update`.
#[derive(Args, Debug)]
pub struct UpdateArgs {
    /// Id of the application.
    application: String,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Settings that creating and updating share. A list replaces the one before.
#[derive(Args, Debug)]
struct SettingsArgs {
    /// Name for people.
    #[arg(long)]
    name: Option<String>,
    /// Where codes may be sent; may be repeated.
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Option<Vec<String>>,
    /// Where a browser may be sent after logout; may be repeated.
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Option<Vec<String>>,
    /// Scope that it may have of its own (client credentials grant), e.g. `sessions.read`; may be repeated.
    #[arg(long = "service-scope", value_name = "SCOPE")]
    service_scopes: Option<Vec<String>>,
    /// Page that ends its session of the browser that opens it; '' for none.
    #[arg(long, value_name = "URI")]
    frontchannel_logout_uri: Option<String>,
    /// Where logout tokens are posted; '' for none.
    #[arg(long, value_name = "URI")]
    backchannel_logout_uri: Option<String>,
    /// How far a logout that it asks for goes, beyond the SSO session and what ends with it.
    #[arg(long, value_enum, conflicts_with = "logout_applications")]
    logout_reach: Option<Reach>,
    /// Application whose sessions end too when it asks for a logout; may be repeated.
    #[arg(long = "logout-application", value_name = "ID")]
    logout_applications: Option<Vec<String>>,
    /// File with its public keys, a JWK set; they count instead of those that it publishes.
    #[arg(long, value_name = "FILE", group = "keys")]
    jwks: Option<PathBuf>,
    /// Where it publishes its public keys; they count instead of those that were given.
    #[arg(long, value_name = "URI", group = "keys", conflicts_with = "jwks")]
    jwks_uri: Option<String>,
    /// Whether a user is asked before the application gets to know them.
    #[arg(long, value_name = "BOOL")]
    consent: Option<bool>,
    /// Whether only users may sign in who are registered for it (`latchkey users register`).
    #[arg(long, value_name = "BOOL")]
    registration_required: Option<bool>,
    /// Whether it must use PKCE.
    #[arg(long, value_enum)]
    pkce: Option<Pkce>,
    /// Origin whose scripts may call, e.g. `https://app.example.com`; may be repeated.
    #[arg(long = "cors-origin", value_name = "ORIGIN")]
    cors_origins: Option<Vec<String>>,
    /// Resource that it may ask access tokens for; may be repeated.
    #[arg(long = "resource", value_name = "URI")]
    allowed_resources: Option<Vec<String>>,
    #[command(flatten)]
    protocol: ProtocolArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reach {
    /// Its own session.
    Own,
    /// The sessions of all applications that were opened with the SSO session.
    All,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Pkce {
    /// It must.
    Required,
    /// It may; for a confidential application only.
    Optional,
}

/// Arguments of `latchkey applications rotate-secret`.
#[derive(Args, Debug)]
pub struct RotateArgs {
    /// Id of the application.
    application: String,
    /// How long the secret before stays good, in hours; 0 ends it now.
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    overlap_hours: u32,
}

const CREATED: &[Column<CreateApplicationResponse>] = &[
    ("application", |answer, _| {
        answer.application.as_ref().map(|application| application.id.clone()).unwrap_or_default()
    }),
    ("type", |answer, _| answer.application.as_ref().map(client_type).unwrap_or_default()),
    ("secret", |answer, _| answer.client_secret.clone()),
];

const ROTATED: &[Column<RotateClientSecretResponse>] = &[
    ("secret", |answer, _| answer.client_secret.clone()),
    ("old secret until", |answer, now| {
        moment(answer.application.as_ref().and_then(|application| application.old_secret_expires_at.as_ref()), now)
    }),
];

impl SettingsArgs {
    /// Puts what is given into `application`, and returns the names of those fields.
    fn put(self, application: &mut Application, attempt: &str) -> Result<Vec<String>, Failure> {
        let mut paths = Vec::new();
        let mut text = |value: Option<String>, field: &mut String, path: &str| {
            if let Some(value) = value {
                *field = value;
                paths.push(path.to_owned());
            }
        };
        let jwks = match self.jwks {
            Some(path) => Some(std::fs::read_to_string(&path).map_err(|error| {
                Failure::usage(attempt.to_owned(), format!("{} cannot be read: {error}", path.display()))
            })?),
            // One way takes the place of the other.
            None => self.jwks_uri.is_some().then(String::new),
        };
        let jwks_uri = self.jwks_uri.or_else(|| jwks.is_some().then(String::new));
        text(self.name, &mut application.name, "name");
        text(self.frontchannel_logout_uri, &mut application.frontchannel_logout_uri, "frontchannel_logout_uri");
        text(self.backchannel_logout_uri, &mut application.backchannel_logout_uri, "backchannel_logout_uri");
        text(jwks, &mut application.jwks, "jwks");
        text(jwks_uri, &mut application.jwks_uri, "jwks_uri");
        let mut list = |value: Option<Vec<String>>, field: &mut Vec<String>, path: &str| {
            if let Some(value) = value {
                *field = value;
                paths.push(path.to_owned());
            }
        };
        list(self.redirect_uris, &mut application.redirect_uris, "redirect_uris");
        let after_logout = &mut application.post_logout_redirect_uris;
        list(self.post_logout_redirect_uris, after_logout, "post_logout_redirect_uris");
        list(self.service_scopes, &mut application.service_scopes, "service_scopes");
        list(self.cors_origins, &mut application.cors_origins, "cors_origins");
        list(self.allowed_resources, &mut application.allowed_resources, "allowed_resources");
        let reach = match (self.logout_reach, &self.logout_applications) {
            (None, None) => None,
            (Some(Reach::Own), _) => Some(LogoutReach::Own),
            (Some(Reach::All), _) => Some(LogoutReach::All),
            (None, Some(_)) => Some(LogoutReach::Listed),
        };
        if let Some(reach) = reach {
            application.logout_reach = reach.into();
            application.logout_application_ids = self.logout_applications.unwrap_or_default();
            paths.extend(["logout_reach", "logout_application_ids"].map(str::to_owned));
        }
        if let Some(required) = self.registration_required {
            application.registration_required = required;
            paths.push("registration_required".to_owned());
        }
        if let Some(consent) = self.consent {
            application.consent_required = consent;
            paths.push("consent_required".to_owned());
        }
        if let Some(pkce) = self.pkce {
            application.pkce = match pkce {
                Pkce::Required => PkceRequirement::Required.into(),
                Pkce::Optional => PkceRequirement::Optional.into(),
            };
            paths.push("pkce".to_owned());
        }
        self.protocol.put(application, &mut paths);
        Ok(paths)
    }
}

pub(super) async fn create(args: CreateArgs, connection: &Connection, output: &mut Output) -> Answer {
    let client_type = if args.public { ClientType::Public } else { ClientType::Confidential };
    let session_mode = if args.managed { SessionMode::ApplicationManaged } else { SessionMode::Centralized };
    let authentication = match args.private_key_jwt {
        true => ClientAuthentication::PrivateKeyJwt,
        false => ClientAuthentication::Unspecified,
    };
    let mut application = Application {
        name: args.application.clone(),
        id: args.application,
        tenant_id: connection.tenant(),
        client_type: client_type.into(),
        session_mode: session_mode.into(),
        keep_on_sso_logout: args.keep_on_sso_logout,
        client_authentication: authentication.into(),
        ..Application::default()
    };
    args.settings.put(&mut application, "create the application")?;
    let request = CreateApplicationRequest { application: Some(application) };
    let answer = connection.applications()?.create_application(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "create the application"))?.into_inner();
    output.one(&answer, CREATED)?;
    if !answer.client_secret.is_empty() {
        output.note("the secret is shown this once");
    }
    Ok(Exit::Done)
}

pub(super) async fn update(args: UpdateArgs, connection: &Connection, output: &mut Output) -> Answer {
    let attempt = "update the application";
    let mut application = Application { id: args.application, ..Application::default() };
    let paths = args.settings.put(&mut application, attempt)?;
    if paths.is_empty() {
        return Err(Failure::usage(attempt, "nothing to change is given"));
    }
    let update_mask = Some(prost_types::FieldMask { paths });
    let request = UpdateApplicationRequest { application: Some(application), update_mask };
    let answer = connection.applications()?.update_application(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, attempt))?.into_inner();
    output.one(&answer.application.unwrap_or_default(), FIELDS)?;
    Ok(Exit::Done)
}

pub(super) async fn rotate(args: RotateArgs, connection: &Connection, output: &mut Output) -> Answer {
    let overlap = Duration::from_secs(u64::from(args.overlap_hours) * 3600);
    let request = RotateClientSecretRequest {
        application_id: args.application,
        overlap: Some(prost_types::Duration { seconds: overlap.as_secs().cast_signed(), nanos: 0 }),
    };
    let answer = connection.applications()?.rotate_client_secret(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "rotate the secret"))?.into_inner();
    output.one(&answer, ROTATED)?;
    output.note("the secret is shown this once");
    Ok(Exit::Done)
}
