//! `latchkey completion`: prints the completion script for a shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::{Answer, cli::Cli, failure::Exit, output::Output};

/// Arguments of `latchkey completion`.
#[derive(Args, Debug)]
pub struct CompletionArgs {
    /// Shell to print it for.
    shell: Shell,
}

pub(super) fn run(args: &CompletionArgs, output: &mut Output) -> Answer {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "latchkey", &mut script);
    output.line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Done)
}
