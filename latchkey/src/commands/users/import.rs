//! `latchkey users import`: takes over users from another system, with the hashes of their passwords.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead as _, BufReader},
    path::PathBuf,
};

use clap::Args;
use proto::auth::v1::{ImportResult, ImportUsersRequest, ImportedUser};
use serde::Deserialize;

use crate::{
    Answer,
    connect::{Connection, Service},
    failure::{Exit, Failure},
    output::{Column, Output},
};

/// Users in one call.
const BATCH: usize = 100;
const ATTEMPT: &str = "import the users";

/// Arguments of `latchkey users import`.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// File with a JSON object a line: `login`, `password_hash`, and as wanted `name`, `email_verified`,
    /// `disabled`, `claims`, `password_change_required`.
    file: PathBuf,
}

/// A line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    login: String,
    password_hash: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    email_verified: bool,
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    claims: HashMap<String, String>,
    #[serde(default)]
    password_change_required: bool,
}

const COLUMNS: &[Column<ImportResult>] = &[
    ("LOGIN", |result, _| result.login.clone()),
    ("REASON", |result, _| result.reason.clone()),
    ("PROBLEM", |result, _| result.message.clone()),
];

pub(super) async fn run(args: ImportArgs, connection: &Connection, output: &mut Output) -> Answer {
    let users = read(&args.file)?;
    let mut client = connection.users()?;
    let (mut refused, total) = (Vec::new(), users.len());
    for batch in users.chunks(BATCH) {
        let request = ImportUsersRequest { tenant_id: connection.tenant(), users: batch.to_vec() };
        let answer = client.import_users(request).await.map_err(connection.failed(Service::Auth, ATTEMPT))?;
        refused.extend(answer.into_inner().results.into_iter().filter(|result| !result.reason.is_empty()));
    }
    output.list(&refused, COLUMNS)?;
    output.note(&format!("{} of {total} users imported", total - refused.len()));
    Ok(if refused.is_empty() { Exit::Done } else { Exit::No })
}

/// Reads the whole file before anything is imported, so that a malformed line changes nothing.
fn read(path: &PathBuf) -> Result<Vec<ImportedUser>, Failure> {
    let cannot = |cause: String| Failure::usage(ATTEMPT, format!("{}: {cause}", path.display()));
    let file = File::open(path).map_err(|error| cannot(error.to_string()))?;
    let mut users = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|error| cannot(error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        let read: Line =
            serde_json::from_str(&line).map_err(|error| cannot(format!("line {}: {error}", number + 1)))?;
        users.push(ImportedUser {
            login: read.login,
            name: read.name,
            password_hash: read.password_hash,
            email_verified: read.email_verified,
            disabled: read.disabled,
            claims: read.claims,
            password_change_required: read.password_change_required,
        });
    }
    Ok(users)
}
