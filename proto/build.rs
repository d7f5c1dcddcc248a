//! Compiles the contract with protox (no protoc needed) and keeps its descriptor set, options included.

use std::{env, error::Error, fs, path::PathBuf};

const FILES: &[&str] = &[
    "latchkey/access/v1/access.proto",
    "latchkey/auth/v1/api_key_service.proto",
    "latchkey/auth/v1/audit_service.proto",
    "latchkey/auth/v1/auth_service.proto",
    "latchkey/auth/v1/consent_service.proto",
    "latchkey/auth/v1/directory_service.proto",
    "latchkey/auth/v1/logout_token_service.proto",
    "latchkey/auth/v1/registration_service.proto",
    "latchkey/auth/v1/signing_key_service.proto",
    "latchkey/auth/v1/tenant_service.proto",
    "latchkey/event/v1/event.proto",
    "latchkey/profile/v1/profile.proto",
    "latchkey/session/v1/policy.proto",
    "latchkey/session/v1/policy_service.proto",
    "latchkey/session/v1/session.proto",
    "latchkey/session/v1/session_service.proto",
    "latchkey/webhook/v1/webhook.proto",
    "latchkey/webhook/v1/webhook_service.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=latchkey");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true);
    for file in FILES.iter().filter(|file| fs::exists(file).unwrap_or(false)) {
        compiler.open_file(file)?;
    }
    // The encoded set keeps the custom access options, which the typed one drops.
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("latchkey.binpb"), compiler.encode_file_descriptor_set())?;
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure().compile_fds_with_config(compiler.file_descriptor_set(), config)?;
    Ok(())
}
