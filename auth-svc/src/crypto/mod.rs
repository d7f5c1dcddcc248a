//! Passwords and signing keys.

mod keys;
mod passwords;

pub use keys::{KeyError, KeyRing, generate};
pub use passwords::Argon2Passwords;
