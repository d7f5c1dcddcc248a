//! webhook-svc: who must be told? Logs every event, and delivers it, signed, to each endpoint that wants it.
//!
//! | module | holds |
//! |---|---|
//! | [`domain`] | endpoints, deliveries, schedule, signature; pure |
//! | [`app`] | the use cases, the intake of events and the delivery engine |
//! | [`ports`] | what the use cases need |
//! | [`grpc`] | calls → use cases |
//! | [`store`] | PostgreSQL, and memory for development |
//! | [`http`] | sends to receivers; publishes the keys that they verify with |
//! | [`auth`] | has logout tokens signed by auth-svc |
//! | [`boot`], [`config`] | which adapters, with which settings |

pub mod app;
pub mod auth;
pub mod boot;
pub mod config;
pub mod domain;
pub mod error;
pub mod grpc;
pub mod http;
pub mod ports;
pub mod store;
