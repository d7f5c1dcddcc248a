//! Passwords and signing keys.

mod foreign;
mod jws;
mod keys;
mod passwords;

pub use foreign::JwkSignatures;
pub use keys::{KeyError, KeyRing, generate};
pub use passwords::Argon2Passwords;
