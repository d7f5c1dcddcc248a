//! Passwords, signing keys, and the keys of others.

mod foreign;
mod imported;
mod jws;
mod keys;
mod material;
mod password_threads;
mod passwords;
mod published;
mod rank;
mod signer;

pub use foreign::JwkSignatures;
pub use keys::{KeyError, KeyRing, RingKeys};
pub use password_threads::{PASSWORD_THREADS_MAX, password_threads};
pub use passwords::Argon2Passwords;
pub use published::PublishedKeys;
