//! The OpenID Provider as relying parties and resource servers see it: over HTTP only, on the whole stack in memory.
//!
//! Tests of [`basic`] and [`config`] are named after the modules of the OpenID Foundation's plans that they stand for.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod algorithms;
mod assertions;
mod authorization;
mod basic;
mod claims;
mod config;
mod device;
mod dpop;
mod embedded_keys;
mod heavy;
mod leaked_key;
mod pushed;
mod registration;
mod resources;
mod signed;
mod substitution;
mod support;
mod tokens;
