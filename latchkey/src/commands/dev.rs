//! `latchkey dev`: runs the development server until it is interrupted.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use svc_kit::{
    config::{LogFormat, TelemetryConfig},
    error::chain,
    telemetry,
};

use crate::{
    Answer,
    dev::{self, DevError, DevOptions, Ports, Seed},
    failure::{Exit, Failure},
    output::Output,
};

const START: &str = "start the development server";

/// Arguments of `latchkey dev`.
#[derive(Args, Debug)]
pub struct DevArgs {
    /// Seed file (TOML) with users, applications and operator keys, instead of the built-in one.
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// Moves every port up by this much: 100 makes 9011 to 9111.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    port_offset: u16,
    /// Lets the system choose every port.
    #[arg(long, conflicts_with = "port_offset")]
    free_ports: bool,
    /// Which log lines are written, e.g. `info` or `warn,session_svc=debug`.
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    log: String,
    /// OTLP collector (gRPC) for traces and metrics, e.g. `http://localhost:4317`.
    #[arg(
        long,
        env = "LATCHKEY_TELEMETRY__OTLP_ENDPOINT",
        hide_env_values = true,
        value_name = "URL",
        default_value = "",
        hide_default_value = true
    )]
    otlp_endpoint: String,
    /// Profile of the deployment; this server is for development only.
    #[arg(long, env = "LATCHKEY_PROFILE", value_enum, hide = true, default_value = "dev")]
    profile: Profile,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Profile {
    Dev,
    Production,
    Ha,
}

pub(super) async fn run(args: DevArgs, output: &mut Output) -> Answer {
    if args.profile != Profile::Dev {
        let cause = "it keeps everything in memory, and LATCHKEY_PROFILE asks for more than development";
        return Err(Failure::usage(START, cause).hint("run the three services for real users; see docs/operations.md"));
    }
    let seed = seed(args.seed.as_ref())?;
    let ports = if args.free_ports { Ok(Ports::free()) } else { Ports::moved(args.port_offset) };
    let telemetry =
        TelemetryConfig { otlp_endpoint: args.otlp_endpoint, log_format: LogFormat::Text, log_filter: args.log };
    let telemetry =
        telemetry::init(&telemetry, "latchkey-dev").map_err(|error| Failure::usage(START, chain(&error)))?;
    let result = serve(DevOptions::new(ports.map_err(refused)?, seed), output).await;
    // Flushing waits for the network.
    let _ = tokio::task::spawn_blocking(move || telemetry.flush()).await;
    result
}

fn seed(path: Option<&PathBuf>) -> Result<Seed, Failure> {
    let unusable = |error: &dyn std::error::Error| Failure::usage(START, chain(error));
    let Some(path) = path else { return Seed::embedded().map_err(|error| unusable(&error)) };
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| Failure::usage(format!("read {}", path.display()), chain(&error)))?;
    Seed::parse(&text).map_err(|error| unusable(&error))
}

async fn serve(options: DevOptions, output: &mut Output) -> Answer {
    let server = dev::start(options).await.map_err(refused)?;
    let lifecycle = server.lifecycle().clone();
    lifecycle.watch_signals().map_err(|error| Failure::fault(START, error))?;
    output.line(dev::banner(&server).trim_end())?;
    lifecycle.soft().cancelled().await;
    output.note("stopping; Ctrl-C again stops at once");
    server.wait().await.map_err(|crash| Failure::fault("go on", crash))?;
    output.note("stopped; everything that was in memory is gone");
    Ok(Exit::Done)
}

fn refused(error: DevError) -> Failure {
    let hint = match &error {
        DevError::Taken(_) => Some("is another one running? --port-offset 100 moves every port up by 100"),
        _ => None,
    };
    let exit = match &error {
        DevError::Offset(_) | DevError::Taken(_) => Exit::Usage,
        _ => Exit::Fault,
    };
    let failure = Failure::new(START, chain(&error), exit);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
