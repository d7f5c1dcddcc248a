//! The service from outside: the contract of its store's ports, kept by memory and by PostgreSQL, and its RPCs on both.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod contract;
mod heavy;
mod keys;
mod outage;
mod pages;
mod published_keys;
mod rpc;
mod support;
