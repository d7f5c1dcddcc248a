//! The command-line tool over gRPC, and the development server that runs the whole suite in one process.
//!
//! | module | holds |
//! |---|---|
//! | [`cli`] | the command tree and the global options |
//! | [`commands`] | one module for each group of commands: arguments, calls, what is shown |
//! | [`connect`] | clients of the services, and what a failed call means |
//! | [`dev`] | the development server, also for end-to-end tests |
//! | [`failure`] | failures with reason, hint and exit code |
//! | [`output`] | everything that is written: tables or JSON to stdout, talk to stderr |

pub mod cli;
pub mod commands;
pub mod connect;
pub mod dev;
pub mod failure;
pub mod output;

use std::process::ExitCode;

use cli::Cli;
use failure::{Exit, Failure};
use output::Output;

/// Runs one command line to its end and says how it went.
pub fn run(cli: Cli) -> ExitCode {
    let mut output = Output::of_process(cli.options.json);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(cli, &mut output)),
        Err(error) => Err(Failure::fault("start the runtime", error)),
    };
    ExitCode::from(match result {
        Ok(exit) => exit.code(),
        Err(failure) => {
            output.complain(&failure);
            failure.exit().code()
        }
    })
}

/// What every command answers.
pub type Answer = Result<Exit, Failure>;
