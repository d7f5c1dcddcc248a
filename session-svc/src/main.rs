//! The session-svc process.

fn main() -> std::process::ExitCode {
    svc_kit::cli::run(&session_svc::boot::service())
}
