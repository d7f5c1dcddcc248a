//! One of the three services as a process: which one, the variable `E2E_SERVICE` says. For tests that kill a service; it is built
//! with the tests, so that they never run yesterday's program.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::var("E2E_SERVICE").as_deref() {
        Ok("auth-svc") => svc_kit::cli::run(&auth_svc::boot::service()),
        Ok("session-svc") => svc_kit::cli::run(&session_svc::boot::service()),
        Ok("webhook-svc") => svc_kit::cli::run(&webhook_svc::boot::service()),
        _ => ExitCode::from(2),
    }
}
