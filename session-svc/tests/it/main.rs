//! session-svc over real gRPC, on the in-memory store and on a real Redis: one module for each RPC, then races and crashes.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

mod cluster;
mod copies;
mod cost;
mod count;
mod crash;
mod create;
mod explain;
mod failover;
mod get;
mod history;
mod hostile;
mod idle_schedule;
mod list;
mod model;
mod outage;
mod overload;
mod policies;
mod policy_times;
mod port;
mod race;
mod reauthenticate;
mod refresh;
mod relay;
mod replicas;
mod revoke;
mod revoke_many;
mod scope;
mod secure;
mod sentinel;
mod session_limit;
mod skew;
mod touch;
mod update;
mod validate;
