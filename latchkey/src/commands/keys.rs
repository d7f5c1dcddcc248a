//! `latchkey keys`: API keys, credentials of programs that call auth-svc.

use std::time::Duration;

use clap::{Args, Subcommand};
use proto::auth::v1::{
    ApiKey, CreateApiKeyRequest, CreateApiKeyResponse, DeleteApiKeyRequest, GetApiKeyRequest, ListApiKeysRequest,
    RotateApiKeyRequest, RotateApiKeyResponse,
};

use super::pages::Limit;
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::Exit,
    output::{
        Column, Output,
        text::{moment, relative},
    },
};

/// `latchkey keys …`
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Creates a key and prints its secret, once.
    Create(CreateArgs),
    /// Lists the keys of the tenant.
    List(Limit),
    /// Shows one key.
    Get(KeyArgs),
    /// Makes a new secret and prints it, once; the one before stays good for a while.
    Rotate(RotateArgs),
    /// Deletes a key; it is refused at once.
    Delete(KeyArgs),
}

/// Arguments of `latchkey keys create`.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Name for people.
    name: String,
    /// What it may do, e.g. `directory.read`; may be repeated.
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<String>,
    /// In how many days it ends.
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    days: u32,
}

/// Names a key.
#[derive(Args, Debug)]
pub struct KeyArgs {
    /// Id (`akey_…`) of the key.
    #[arg(value_name = "KEY")]
    id: String,
}

/// Arguments of `latchkey keys rotate`.
#[derive(Args, Debug)]
pub struct RotateArgs {
    /// Id (`akey_…`) of the key.
    #[arg(value_name = "KEY")]
    id: String,
    /// How long the secret before stays good, in hours; 0 ends it now.
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    overlap_hours: u32,
}

const COLUMNS: &[Column<ApiKey>] = &[
    ("KEY", |key, _| key.id.clone()),
    ("NAME", |key, _| key.name.clone()),
    ("SCOPES", |key, _| key.scopes.join(" ")),
    ("ENDS", |key, now| relative(key.expires_at.as_ref(), now)),
    ("LAST USED", |key, now| relative(key.last_used_at.as_ref(), now)),
];

const FIELDS: &[Column<ApiKey>] = &[
    ("key", |key, _| key.id.clone()),
    ("tenant", |key, _| key.tenant_id.clone()),
    ("name", |key, _| key.name.clone()),
    ("scopes", |key, _| key.scopes.join(" ")),
    ("ends", |key, now| moment(key.expires_at.as_ref(), now)),
    ("created", |key, now| moment(key.created_at.as_ref(), now)),
    ("created by", |key, _| key.created_by.clone()),
    ("last used", |key, now| moment(key.last_used_at.as_ref(), now)),
    ("old secret until", |key, now| moment(key.old_secret_expires_at.as_ref(), now)),
];

const CREATED: &[Column<CreateApiKeyResponse>] = &[
    ("key", |answer, _| answer.api_key.as_ref().map(|key| key.id.clone()).unwrap_or_default()),
    ("ends", |answer, now| moment(answer.api_key.as_ref().and_then(|key| key.expires_at.as_ref()), now)),
    ("secret", |answer, _| answer.secret.clone()),
];

const ROTATED: &[Column<RotateApiKeyResponse>] = &[
    ("secret", |answer, _| answer.secret.clone()),
    ("old secret until", |answer, now| {
        moment(answer.api_key.as_ref().and_then(|key| key.old_secret_expires_at.as_ref()), now)
    }),
];

pub(super) async fn run(command: KeysCommand, connection: &Connection, output: &mut Output) -> Answer {
    match command {
        KeysCommand::Create(args) => create(args, connection, output).await,
        KeysCommand::List(limit) => list(limit, connection, output).await,
        KeysCommand::Get(args) => get(args, connection, output).await,
        KeysCommand::Rotate(args) => rotate(args, connection, output).await,
        KeysCommand::Delete(args) => delete(args, connection, output).await,
    }
}

async fn create(args: CreateArgs, connection: &Connection, output: &mut Output) -> Answer {
    let end = output.now().saturating_add(Duration::from_secs(u64::from(args.days) * 24 * 3600));
    let key = ApiKey {
        tenant_id: connection.tenant(),
        name: args.name,
        scopes: args.scopes,
        expires_at: Some(end.to_proto()),
        ..ApiKey::default()
    };
    let answer = connection.api_keys()?.create_api_key(CreateApiKeyRequest { api_key: Some(key) }).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "create the key"))?.into_inner();
    output.one(&answer, CREATED)?;
    output.note("the secret is shown this once");
    Ok(Exit::Done)
}

async fn list(limit: Limit, connection: &Connection, output: &mut Output) -> Answer {
    let mut client = connection.api_keys()?;
    let pages = limit.read(async |page_size, page_token| {
        let request = ListApiKeysRequest { tenant_id: connection.tenant(), page_size, page_token };
        let page = client.list_api_keys(request).await?.into_inner();
        Ok((page.api_keys, page.next_page_token))
    });
    let listed = pages.await.map_err(connection.failed(Service::Auth, "list the keys"))?;
    output.list(&listed.items, COLUMNS)?;
    listed.tell(output, "keys");
    Ok(Exit::Done)
}

async fn get(args: KeyArgs, connection: &Connection, output: &mut Output) -> Answer {
    let answer = connection.api_keys()?.get_api_key(GetApiKeyRequest { api_key_id: args.id }).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "read the key"))?.into_inner();
    output.one(&answer.api_key.unwrap_or_default(), FIELDS)?;
    Ok(Exit::Done)
}

async fn rotate(args: RotateArgs, connection: &Connection, output: &mut Output) -> Answer {
    let overlap = prost_types::Duration { seconds: i64::from(args.overlap_hours) * 3600, nanos: 0 };
    let request = RotateApiKeyRequest { api_key_id: args.id, overlap: Some(overlap) };
    let answer = connection.api_keys()?.rotate_api_key(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "rotate the key"))?.into_inner();
    output.one(&answer, ROTATED)?;
    output.note("the secret is shown this once");
    Ok(Exit::Done)
}

async fn delete(args: KeyArgs, connection: &Connection, output: &mut Output) -> Answer {
    let answer = connection.api_keys()?.delete_api_key(DeleteApiKeyRequest { api_key_id: args.id }).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "delete the key"))?.into_inner();
    output.done(&answer, "key deleted")?;
    Ok(Exit::Done)
}
