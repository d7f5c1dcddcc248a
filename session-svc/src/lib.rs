//! session-svc: are you still in? Creates, checks, refreshes, lists and ends sessions; keeps them in Redis.
//!
//! | module | holds |
//! |---|---|
//! | [`domain`] | what a session is and how it changes; pure |
//! | [`app`] | the use cases: load, decide, commit |
//! | [`ports`] | what the use cases need |
//! | [`contract`] | the domain in the words of the contract |
//! | [`grpc`] | calls → use cases |
//! | [`store`] | Redis, and memory for development |
//! | [`bus`] | the tasks that publish events and sweep |
//! | [`boot`], [`config`] | which adapters, with which settings |

pub mod app;
pub mod boot;
pub mod bus;
pub mod config;
pub mod contract;
pub mod domain;
pub mod error;
pub mod grpc;
pub mod ports;
pub mod store;
