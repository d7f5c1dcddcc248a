//! What an application is held to in the protocol, beyond its addresses.

use clap::{Args, ValueEnum};
use proto::auth::v1::{Application, SigningAlgorithm};

/// Settings of the protocol.
#[derive(Args, Debug)]
pub struct ProtocolArgs {
    /// Whether its authorization requests count only when it pushed them (RFC 9126).
    #[arg(long, value_name = "BOOL")]
    pushed_requests: Option<bool>,
    /// Whether its tokens must be bound to a key that it shows (DPoP, RFC 9449).
    #[arg(long, value_name = "BOOL")]
    dpop: Option<bool>,
    /// Whether UserInfo answers it with a signed JWT.
    #[arg(long, value_name = "BOOL")]
    signed_userinfo: Option<bool>,
    /// Whether devices without a browser may ask for it (RFC 8628).
    #[arg(long, value_name = "BOOL")]
    devices: Option<bool>,
    /// By what we sign what it gets: access tokens, ID tokens, logout tokens, UserInfo, introspection.
    #[arg(long, value_enum)]
    signing_algorithm: Option<Signing>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Signing {
    /// RSA; every relying party understands it.
    Rs256,
    /// P-256.
    Es256,
    /// Ed25519.
    Eddsa,
}

impl ProtocolArgs {
    /// Puts what is given into `application`, and adds the names of those fields.
    pub(super) fn put(self, application: &mut Application, paths: &mut Vec<String>) {
        if let Some(required) = self.pushed_requests {
            application.pushed_requests_required = required;
            paths.push("pushed_requests_required".to_owned());
        }
        if let Some(required) = self.dpop {
            application.dpop_required = required;
            paths.push("dpop_required".to_owned());
        }
        if let Some(signed) = self.signed_userinfo {
            application.userinfo_signed = signed;
            paths.push("userinfo_signed".to_owned());
        }
        if let Some(allowed) = self.devices {
            application.device_grant = allowed;
            paths.push("device_grant".to_owned());
        }
        if let Some(signing) = self.signing_algorithm {
            application.signing_algorithm = match signing {
                Signing::Rs256 => SigningAlgorithm::Rs256.into(),
                Signing::Es256 => SigningAlgorithm::Es256.into(),
                Signing::Eddsa => SigningAlgorithm::Eddsa.into(),
            };
            paths.push("signing_algorithm".to_owned());
        }
    }
}
