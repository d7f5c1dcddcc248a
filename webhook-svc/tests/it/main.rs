//! The service from outside: the ports' contract, the RPCs, and what happens when things break.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod broker;
mod catalogue;
mod contract;
mod days;
mod heavy;
mod locks;
mod rpc;
mod seal_keys;
mod support;
mod unreadable;
mod upkeep;
