//! Process plumbing that at least two services share. No business nouns live here.
//!
//! | module | what for |
//! |---|---|
//! | [`clock`], [`entropy`] | time and randomness, passed in |
//! | [`id`], [`secret`], [`seal`], [`page`] | identifiers, secrets in memory and at rest, page tokens |
//! | [`error`] | failures as callers see them |
//! | [`egress`] | requests to addresses that others chose |
//! | [`memory`] | where memory comes from |
//! | [`lifecycle`] | tasks, two-stage shutdown |
//! | [`testing`] | what tests of several crates need |

pub mod access;
pub mod boot;
pub mod bus;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod egress;
pub mod entropy;
pub mod error;
pub mod id;
pub mod lifecycle;
pub mod memory;
pub mod ops;
pub mod origin;
pub mod outbox;
pub mod page;
pub mod seal;
pub mod secret;
pub mod server;
pub mod sql;
pub mod telemetry;
pub mod testing;
