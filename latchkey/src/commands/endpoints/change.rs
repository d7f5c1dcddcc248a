//! `latchkey endpoints create` and `update`: their arguments, and what an update changes.

use clap::{Args, ValueEnum};
use proto::webhook::v1::{Endpoint, EndpointState, UpdateEndpointRequest};

use super::{Client, manner::MannerArgs, show};
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::{Exit, Failure},
    output::Output,
};

/// Arguments of `latchkey endpoints create`.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Address that webhooks are posted to.
    #[arg(long)]
    pub url: String,
    /// Name for people.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub description: String,
    /// Events to send, e.g. `session.revoked` or `session.*`; may be repeated. Without it: all.
    #[arg(long = "event", value_name = "TYPE")]
    pub event_types: Vec<String>,
    /// Only events of this application; may be repeated.
    #[arg(long = "application", value_name = "ID")]
    pub applications: Vec<String>,
    /// Attempts under way at once, at most 1000.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub max_concurrency: i32,
    /// Attempts in a second, at most 1000; 0 means any number.
    #[arg(long, value_name = "RATE", default_value_t = 0)]
    pub rate_limit_per_second: i32,
    /// Events of one session one after the other.
    #[arg(long)]
    pub ordered: bool,
    #[command(flatten)]
    pub manner: MannerArgs,
}

/// Arguments of `latchkey endpoints update`.
#[derive(Args, Debug)]
pub struct UpdateArgs {
    /// Id of the endpoint, `ep_…`.
    endpoint: String,
    /// New address.
    #[arg(long)]
    url: Option<String>,
    /// New name for people.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// New list of events; may be repeated.
    #[arg(long = "event", value_name = "TYPE")]
    event_types: Vec<String>,
    /// New list of applications; may be repeated.
    #[arg(long = "application", value_name = "ID", conflicts_with = "every_application")]
    applications: Vec<String>,
    /// Events of every application.
    #[arg(long)]
    every_application: bool,
    /// Whether it gets events.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Attempts under way at once, 1 to 1000.
    #[arg(long, value_name = "COUNT")]
    max_concurrency: Option<i32>,
    /// Attempts in a second, at most 1000; 0 means any number.
    #[arg(long, value_name = "RATE")]
    rate_limit_per_second: Option<i32>,
    /// Whether events of one session come one after the other.
    #[arg(long, value_name = "true|false")]
    ordered: Option<bool>,
    #[command(flatten)]
    manner: MannerArgs,
    /// No headers are added any more.
    #[arg(long, conflicts_with_all = ["headers", "secret_headers"])]
    no_headers: bool,
    /// Attempts are made as is usual for the tenant.
    #[arg(long, conflicts_with = "retries")]
    usual_retries: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    /// It gets events.
    Enabled,
    /// It gets none; what waits for it is cancelled.
    Disabled,
}

impl UpdateArgs {
    fn into_request(self) -> Result<UpdateEndpointRequest, Failure> {
        let mut paths = Vec::new();
        let mut change = |is_given: bool, path: &str| {
            if is_given {
                paths.push(path.to_owned());
            }
        };
        change(self.url.is_some(), "url");
        change(self.description.is_some(), "description");
        change(!self.event_types.is_empty(), "event_types");
        change(!self.applications.is_empty() || self.every_application, "application_ids");
        change(self.state.is_some(), "state");
        change(self.max_concurrency.is_some(), "max_concurrency");
        change(self.rate_limit_per_second.is_some(), "rate_limit_per_second");
        change(self.ordered.is_some(), "ordered");
        change(self.manner.signature.is_some(), "signature_scheme");
        change(self.manner.has_headers() || self.no_headers, "headers");
        change(self.manner.payload.is_some(), "payload_profile");
        change(!self.manner.retries.is_empty() || self.usual_retries, "retry_pauses");
        if paths.is_empty() {
            return Err(Failure::usage("update the endpoint", "nothing to change is given"));
        }
        let state = self.state.map_or(EndpointState::Unspecified, |state| match state {
            State::Enabled => EndpointState::Enabled,
            State::Disabled => EndpointState::Disabled,
        });
        let endpoint = Endpoint {
            id: self.endpoint,
            url: self.url.unwrap_or_default(),
            description: self.description.unwrap_or_default(),
            event_types: self.event_types,
            application_ids: self.applications,
            state: state.into(),
            max_concurrency: self.max_concurrency.unwrap_or_default(),
            rate_limit_per_second: self.rate_limit_per_second.unwrap_or_default(),
            ordered: self.ordered.unwrap_or_default(),
            signature_scheme: self.manner.scheme(),
            payload_profile: self.manner.profile(),
            retry_pauses: self.manner.pauses(),
            headers: self.manner.headers()?,
            ..Endpoint::default()
        };
        Ok(UpdateEndpointRequest { endpoint: Some(endpoint), update_mask: Some(prost_types::FieldMask { paths }) })
    }
}

pub(super) async fn update(
    args: UpdateArgs,
    mut client: Client,
    connection: &Connection,
    output: &mut Output,
) -> Answer {
    let answer = client.update_endpoint(args.into_request()?).await;
    let answer = answer.map_err(connection.failed(Service::Webhook, "update the endpoint"))?.into_inner();
    let secret = answer.secret;
    output.one(&answer.endpoint.unwrap_or_default(), show::FIELDS)?;
    if !secret.is_empty() && !output.is_json() {
        output.line(&format!("secret: {secret}"))?;
    }
    show::tell_secret(&secret, "give it to the receiver", output);
    Ok(Exit::Done)
}
