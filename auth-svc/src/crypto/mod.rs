//! Passwords and signing keys.

mod foreign;
mod imported;
mod jws;
mod keys;
mod material;
mod passwords;

pub use foreign::JwkSignatures;
pub use keys::{KeyError, KeyRing, RingKeys};
pub use passwords::Argon2Passwords;
