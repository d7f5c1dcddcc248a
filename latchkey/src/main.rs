//! The `latchkey` program: reads the command line, runs it, ends with its exit code.

use std::process::ExitCode;

use clap::Parser as _;
use latchkey::cli::Cli;

fn main() -> ExitCode {
    latchkey::run(Cli::parse())
}
