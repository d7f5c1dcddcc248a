//! The hosted pages: signing in, agreeing, signing out, and what must do none of these. Over the development server, by
//! plain HTTP and gRPC.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod account;
mod back_channel;
mod consent;
mod cross_site;
mod front_channel;
mod heavy;
mod managed;
mod matrix;
mod pages;
mod password;
mod rp_initiated;
mod sso;
mod support;
mod threats;
mod tokens;
