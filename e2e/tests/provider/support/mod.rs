//! What the tests share.

mod browser;
mod client;
mod provider;

pub use browser::{Browser, Page};
pub use client::{CHALLENGE, Client, MANAGED, NATIVE, OTHER, SECOND, SPA, Tokens, VERIFIER, WEB, claims, header};
pub use provider::Provider;
