//! The webhook-svc process.

fn main() -> std::process::ExitCode {
    svc_kit::cli::run(&webhook_svc::boot::service())
}
