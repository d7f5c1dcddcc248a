//! The auth-svc process.

fn main() -> std::process::ExitCode {
    svc_kit::cli::run(&auth_svc::boot::service())
}
