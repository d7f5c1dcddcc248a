//! `latchkey tenants create` and `update`: their arguments, and what an update changes.

use std::collections::HashMap;

use clap::{Args, ValueEnum};
use proto::auth::v1::{CreateTenantRequest, SsoWithoutKeepSignedIn, Tenant, UpdateTenantRequest};

use super::FIELDS;
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::{Exit, Failure},
    output::Output,
};

/// Arguments of `latchkey tenants create`.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Id of the tenant, part of its issuer: a-z 0-9 _ -.
    #[arg(value_name = "TENANT")]
    id: String,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Arguments of `latchkey tenants update`.
#[derive(Args, Debug)]
pub struct UpdateArgs {
    /// Id of the tenant.
    #[arg(value_name = "TENANT")]
    id: String,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Settings that creating and updating share.
#[derive(Args, Debug)]
struct SettingsArgs {
    /// Name for people.
    #[arg(long)]
    name: Option<String>,
    /// Colour of the pages where the browser prefers light, e.g. `accent=#3b4cca`; may be repeated, and replaces all.
    #[arg(long = "light-color", value_name = "VARIABLE=COLOUR")]
    light: Option<Vec<String>>,
    /// The same where it prefers dark.
    #[arg(long = "dark-color", value_name = "VARIABLE=COLOUR")]
    dark: Option<Vec<String>>,
    /// Picture on the pages; '' for ours.
    #[arg(long, value_name = "URL")]
    logo_url: Option<String>,
    /// What a sign-in without "keep me signed in" leaves behind.
    #[arg(long, value_enum)]
    sso_without_keep_signed_in: Option<Unkept>,
    /// Language of the pages where nobody asks for another; '' for English.
    #[arg(long, value_name = "TAG")]
    default_language: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Unkept {
    /// The next application signs in silently until the browser is closed.
    Browser,
    /// The next application asks again.
    None,
}

impl SettingsArgs {
    /// Puts what is given into `tenant`, and returns the names of those fields.
    fn put(self, tenant: &mut Tenant, attempt: &'static str) -> Result<Vec<String>, Failure> {
        let mut paths = Vec::new();
        let mut text = |value: Option<String>, field: &mut String, path: &str| {
            if let Some(value) = value {
                *field = value;
                paths.push(path.to_owned());
            }
        };
        text(self.name, &mut tenant.name, "name");
        text(self.logo_url, &mut tenant.logo_url, "logo_url");
        text(self.default_language, &mut tenant.default_language, "default_language");
        let colours = [
            (self.light, &mut tenant.light_colors, "light_colors"),
            (self.dark, &mut tenant.dark_colors, "dark_colors"),
        ];
        for (given, field, path) in colours {
            if let Some(given) = given {
                *field = given.iter().map(|pair| colour(pair, attempt)).collect::<Result<HashMap<_, _>, _>>()?;
                paths.push(path.to_owned());
            }
        }
        if let Some(unkept) = self.sso_without_keep_signed_in {
            tenant.sso_without_keep_signed_in = match unkept {
                Unkept::Browser => SsoWithoutKeepSignedIn::Browser.into(),
                Unkept::None => SsoWithoutKeepSignedIn::None.into(),
            };
            paths.push("sso_without_keep_signed_in".to_owned());
        }
        Ok(paths)
    }
}

fn colour(pair: &str, attempt: &'static str) -> Result<(String, String), Failure> {
    let split = pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    split.ok_or_else(|| Failure::usage(attempt, format!("{pair} is not VARIABLE=COLOUR")))
}

pub(super) async fn create(args: CreateArgs, connection: &Connection, output: &mut Output) -> Answer {
    let attempt = "create the tenant";
    let mut tenant = Tenant { name: args.id.clone(), id: args.id, ..Tenant::default() };
    args.settings.put(&mut tenant, attempt)?;
    let answer = connection.tenants()?.create_tenant(CreateTenantRequest { tenant: Some(tenant) }).await;
    let answer = answer.map_err(connection.failed(Service::Auth, attempt))?.into_inner();
    output.one(&answer.tenant.unwrap_or_default(), FIELDS)?;
    Ok(Exit::Done)
}

pub(super) async fn update(args: UpdateArgs, connection: &Connection, output: &mut Output) -> Answer {
    let attempt = "update the tenant";
    let mut tenant = Tenant { id: args.id, ..Tenant::default() };
    let paths = args.settings.put(&mut tenant, attempt)?;
    if paths.is_empty() {
        return Err(Failure::usage(attempt, "nothing to change is given"));
    }
    let update_mask = Some(prost_types::FieldMask { paths });
    let answer = connection.tenants()?.update_tenant(UpdateTenantRequest { tenant: Some(tenant), update_mask }).await;
    let answer = answer.map_err(connection.failed(Service::Auth, attempt))?.into_inner();
    output.one(&answer.tenant.unwrap_or_default(), FIELDS)?;
    Ok(Exit::Done)
}
