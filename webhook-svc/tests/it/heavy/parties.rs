//! Programs that verify with the libraries of others.

use std::{path::PathBuf, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::process::Command;

/// Longest time for a program.
const DEADLINE: Duration = Duration::from_secs(60);

/// A file of the repository.
pub fn at(path: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path).display().to_string()
}

/// Runs a program to its end; returns what it says.
pub async fn ask(program: &str, arguments: &[&str]) -> Value {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let ran = tokio::time::timeout(DEADLINE, command.output()).await.unwrap();
    let ran = ran.unwrap_or_else(|error| panic!("{program}: {error}; scripts/install.sh test brings what it needs"));
    assert!(ran.status.success(), "{program} failed; what it said is above");
    serde_json::from_slice(&ran.stdout).unwrap()
}
