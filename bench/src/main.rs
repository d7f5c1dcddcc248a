//! bench: measures what Latchkey promises about speed and size, against yardsticks taken in the same run.
//!
//! Every server that is measured is a process of its own, so that its processor time can be told apart: this program
//! starts itself again in another [`Role`]. Targets take turns in short rounds and the figures are medians over rounds,
//! so that whatever else the machine does hits all of them alike. See `docs/performance.md`.
//!
//! | module | holds |
//! |---|---|
//! | [`goals`] | what is measured, one file a group |
//! | [`targets`] | what can be put under load: the echo, Redis, the services, receivers of webhooks, others' programs |
//! | [`load`], [`histogram`] | the closed-loop load and its latencies |
//! | [`rounds`] | turns and medians |
//! | [`process`] | child processes and their processor time |
//! | [`report`] | the table and `report.json` |

mod failure;
mod goals;
mod histogram;
mod load;
mod process;
mod report;
mod rounds;
mod settings;
mod targets;

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;
use failure::Failure;
use report::Report;
use settings::{Arguments, Role, Settings};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(Role::Echo { listen }) => targets::echo::serve(listen),
        Some(Role::SessionSvc) => targets::session::serve(),
        Some(Role::AuthSvc) => targets::auth::serve(),
        Some(Role::WebhookSvc) => targets::webhook::serve(),
        None => measure(Settings::new(&arguments)),
    }
}

fn measure(settings: Settings) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&Failure::from(error)),
    };
    // Whoever has seen enough leaves no servers, databases and queues behind either.
    let interrupted = async { tokio::signal::ctrl_c().await.map_or_else(Failure::from, |()| Failure::Interrupted) };
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = run_groups(&settings) => outcome,
            failure = interrupted => Err(failure),
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => complain(&failure),
    }
}

async fn run_groups(settings: &Settings) -> Result<(), Failure> {
    let mut report = Report::default();
    for group in goals::chosen(settings)? {
        writeln!(std::io::stdout(), "\n{}: {}", group.name, group.about)?;
        let outcome = (group.run)(settings.clone()).await?;
        writeln!(std::io::stdout(), "{}", outcome.text)?;
        report.figures.extend(outcome.figures);
    }
    writeln!(std::io::stdout(), "\n{}", report.table())?;
    let path = report.write(&settings.report)?;
    writeln!(std::io::stdout(), "written: {}", path.display())?;
    Ok(())
}

fn complain(failure: &Failure) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "bench: {}", svc_kit::error::chain(failure));
    ExitCode::FAILURE
}
