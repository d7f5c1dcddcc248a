//! The command line of a service: the same for all.

use std::{ffi::OsString, fmt::Display, future::Future, io::Write as _, path::PathBuf, pin::Pin, process::ExitCode};

use clap::{Parser, Subcommand};
use serde::de::DeserializeOwned;

use crate::{
    boot::{BootError, Parts},
    config::{self, ShutdownConfig, TelemetryConfig, Validate},
    error::chain,
    telemetry,
};

/// Exit code for configuration that cannot be used (`EX_USAGE` of sysexits.h).
const EXIT_CONFIG: u8 = 64;

/// Variables of the `latchkey` program and of the tests, which a shell that starts a service may have too.
const NOT_SETTINGS: [&str; 6] = [
    "LATCHKEY_CONFIG",
    "LATCHKEY_KEY",
    "LATCHKEY_PASSWORD",
    "LATCHKEY_AUTH_URL",
    "LATCHKEY_SESSION_URL",
    "LATCHKEY_WEBHOOK_URL",
];

fn is_setting(name: &str) -> bool {
    !NOT_SETTINGS.contains(&name) && !name.starts_with("LATCHKEY_TEST_")
}

/// What the command line needs to know of a service's configuration.
pub trait ProcessConfig: DeserializeOwned + Validate + Send + 'static {
    /// The `[telemetry]` section.
    fn telemetry(&self) -> &TelemetryConfig;
    /// The `[shutdown]` section.
    fn shutdown(&self) -> &ShutdownConfig;
}

/// A future of a [`Service`].
pub type Booting = Pin<Box<dyn Future<Output = Result<(), BootError>> + Send>>;

/// A service, as its process sees it.
pub struct Service<C> {
    /// Its name.
    pub name: &'static str,
    /// Its embedded default configuration.
    pub defaults: &'static str,
    /// Starts it; the tasks of the parts' lifecycle are the service.
    pub start: fn(C, Parts) -> Booting,
    /// Brings its database to the state that it needs; `None` when it has none.
    pub migrate: Option<fn(C) -> Booting>,
}

#[derive(Parser)]
#[command(version, about = "A Latchkey service. Configuration: --config FILE and LATCHKEY_<SECTION>__<KEY>.")]
struct Arguments {
    /// Configuration file (TOML), laid over the built-in defaults.
    #[arg(long, global = true, env = "LATCHKEY_CONFIG")]
    config: Option<PathBuf>,
    /// Only checks the configuration and reports every problem.
    #[arg(long)]
    check_config: bool,
    /// Prints the commented default configuration.
    #[arg(long)]
    print_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Brings the database to the state that this version needs, then exits.
    Migrate,
}

/// Runs a service as the whole of a process.
pub fn run<C: ProcessConfig>(service: &Service<C>) -> ExitCode {
    run_with(service, std::env::args_os())
}

/// Runs a service with `arguments` instead of those of the process; the first one is the program.
pub fn run_with<C: ProcessConfig>(service: &Service<C>, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_CONFIG } else { 0 });
        }
    };
    if arguments.print_config {
        let _ = std::io::stdout().write_all(service.defaults.as_bytes());
        return ExitCode::SUCCESS;
    }
    let env = std::env::vars().filter(|(name, _)| is_setting(name));
    let config: C = match config::load(service.defaults, arguments.config.as_deref(), env) {
        Ok(config) => config,
        Err(problems) => return complain(service.name, &problems, EXIT_CONFIG),
    };
    if arguments.check_config {
        let _ = writeln!(std::io::stdout(), "{}: the configuration is good", service.name);
        return ExitCode::SUCCESS;
    }
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => run_in(&runtime, service, config, arguments.command),
        Err(error) => complain(service.name, &error, 1),
    }
}

fn run_in<C: ProcessConfig>(
    runtime: &tokio::runtime::Runtime,
    service: &Service<C>,
    config: C,
    command: Option<Command>,
) -> ExitCode {
    let telemetry = match runtime.block_on(async { telemetry::init(config.telemetry(), service.name) }) {
        Ok(telemetry) => telemetry,
        Err(error) => return complain(service.name, &chain(&error), EXIT_CONFIG),
    };
    let code = match (command, service.migrate) {
        (Some(Command::Migrate), Some(migrate)) => match runtime.block_on(migrate(config)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(service.name, &chain(&error), 1),
        },
        (Some(Command::Migrate), None) => complain(service.name, &"has no database to migrate", EXIT_CONFIG),
        (None, _) => runtime.block_on(serve(service, config)),
    };
    telemetry.flush();
    code
}

async fn serve<C: ProcessConfig>(service: &Service<C>, config: C) -> ExitCode {
    let (parts, grace) = (Parts::system(), config.shutdown().grace.0);
    let lifecycle = parts.lifecycle.clone();
    if let Err(error) = lifecycle.watch_signals() {
        return complain(service.name, &error, 1);
    }
    if let Err(error) = (service.start)(config, parts).await {
        return complain(service.name, &chain(&error), 1);
    }
    tracing::info!(service = service.name, version = env!("CARGO_PKG_VERSION"), "serving");
    match lifecycle.wait(grace).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(crash) => complain(service.name, &crash, 1),
    }
}

fn complain(name: &str, problem: &dyn Display, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{name}: {problem}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::is_setting;

    #[test]
    fn variables_of_other_programs_are_no_settings() {
        assert!(is_setting("LATCHKEY_PROFILE") && is_setting("LATCHKEY_GRPC__LISTEN") && is_setting("LATCHKEY_KEYS"));
        assert!(!is_setting("LATCHKEY_PASSWORD") && !is_setting("LATCHKEY_TEST_REDIS_URL"));
    }
}
