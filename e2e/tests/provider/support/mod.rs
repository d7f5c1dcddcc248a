//! What the tests share.

mod browser;
mod client;
mod keys;
mod provider;

pub use browser::{Browser, Page};
pub use client::{
    CHALLENGE, Client, KEYED_CLIENT, MANAGED, NATIVE, OTHER, SECOND, SPA, Tokens, VERIFIER, WEB, claims, encoded,
    encoded_bytes, header,
};
pub use keys::{KEYED, Key, STRANGE};
pub use provider::{Provider, SEED, line, operator, verified};
