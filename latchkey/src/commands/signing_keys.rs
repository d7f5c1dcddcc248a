//! `latchkey signing-keys`: the keys that tokens are signed by.

use clap::{Args, Subcommand, ValueEnum};
use proto::auth::v1::{ListSigningKeysRequest, RevokeKeyRequest, RotateKeyRequest, SigningAlgorithm, SigningKey};

use super::pages::Limit;
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::Exit,
    output::{
        Column, Output,
        text::{moment, relative, word},
    },
};

/// `latchkey signing-keys …`
#[derive(Debug, Subcommand)]
pub enum SigningKeysCommand {
    /// Lists the keys that are published.
    List(Limit),
    /// Makes the next key of an algorithm; it signs in 15 minutes, when everybody knows it.
    Rotate(RotateArgs),
    /// Removes a key that leaked, at once and for ever; what it signed is refused, and another key signs.
    Revoke(RevokeArgs),
}

/// Arguments of `latchkey signing-keys rotate`.
#[derive(Args, Debug)]
pub struct RotateArgs {
    /// Which key.
    #[arg(value_enum)]
    algorithm: Algorithm,
}

/// Arguments of `latchkey signing-keys revoke`.
#[derive(Args, Debug)]
pub struct RevokeArgs {
    /// Id of the key, as `/jwks` has it.
    kid: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Algorithm {
    /// RSA.
    Rs256,
    /// P-256.
    Es256,
    /// Ed25519.
    Eddsa,
}

const COLUMNS: &[Column<SigningKey>] = &[
    ("KEY", |key, _| key.id.clone()),
    ("ALGORITHM", |key, _| word(key.algorithm().as_str_name(), "SIGNING_ALGORITHM_")),
    ("STATE", |key, _| word(key.state().as_str_name(), "SIGNING_KEY_STATE_")),
    ("SINCE", |key, now| relative(key.state_since.as_ref(), now)),
    ("UNTIL", |key, now| relative(key.state_until.as_ref(), now)),
];

const FIELDS: &[Column<SigningKey>] = &[
    ("key", |key, _| key.id.clone()),
    ("algorithm", |key, _| word(key.algorithm().as_str_name(), "SIGNING_ALGORITHM_")),
    ("state", |key, _| word(key.state().as_str_name(), "SIGNING_KEY_STATE_")),
    ("since", |key, now| moment(key.state_since.as_ref(), now)),
    ("until", |key, now| moment(key.state_until.as_ref(), now)),
];

pub(super) async fn run(command: SigningKeysCommand, connection: &Connection, output: &mut Output) -> Answer {
    match command {
        SigningKeysCommand::List(limit) => list(limit, connection, output).await,
        SigningKeysCommand::Rotate(args) => rotate(&args, connection, output).await,
        SigningKeysCommand::Revoke(args) => revoke(args, connection, output).await,
    }
}

async fn list(limit: Limit, connection: &Connection, output: &mut Output) -> Answer {
    let mut client = connection.signing_keys()?;
    let pages = limit.read(async |page_size, page_token| {
        let page = client.list_signing_keys(ListSigningKeysRequest { page_size, page_token }).await?.into_inner();
        Ok((page.keys, page.next_page_token))
    });
    let listed = pages.await.map_err(connection.failed(Service::Auth, "list the signing keys"))?;
    output.list(&listed.items, COLUMNS)?;
    listed.tell(output, "signing keys");
    Ok(Exit::Done)
}

async fn rotate(args: &RotateArgs, connection: &Connection, output: &mut Output) -> Answer {
    let algorithm = match args.algorithm {
        Algorithm::Rs256 => SigningAlgorithm::Rs256,
        Algorithm::Es256 => SigningAlgorithm::Es256,
        Algorithm::Eddsa => SigningAlgorithm::Eddsa,
    };
    let answer = connection.signing_keys()?.rotate_key(RotateKeyRequest { algorithm: algorithm.into() }).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "make the next signing key"))?.into_inner();
    output.one(&answer.key.unwrap_or_default(), FIELDS)?;
    if answer.already_pending {
        output.note("it waited already");
    }
    Ok(Exit::Done)
}

async fn revoke(args: RevokeArgs, connection: &Connection, output: &mut Output) -> Answer {
    let request = RevokeKeyRequest { signing_key_id: args.kid };
    let answer = connection.signing_keys()?.revoke_key(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "revoke the signing key"))?.into_inner();
    output.one(&answer.active_key.unwrap_or_default(), FIELDS)?;
    output.note("revoked; what it signed is refused, and the key above signs");
    Ok(Exit::Done)
}
