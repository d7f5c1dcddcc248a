//! Signing out, and what must not sign anybody out. Over the development server, by plain HTTP and gRPC.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cross_site;
mod front_channel;
mod pages;
mod sso;
mod support;
mod tokens;
