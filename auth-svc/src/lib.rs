//! auth-svc: who are you? Users, credentials, the OpenID Provider with its hosted pages, and tokens.
//!
//! | module | holds |
//! |---|---|
//! | [`domain`] | users, applications, authorization requests, grants; pure |
//! | [`app`] | the use cases |
//! | [`ports`] | what the use cases need |
//! | [`contract`] | events in the words of the contract |
//! | [`grpc`], [`http`] | calls and requests → use cases |
//! | [`store`] | PostgreSQL, and memory for development |
//! | [`sessions`] | session-svc |
//! | [`crypto`] | passwords and signing keys |
//! | [`boot`], [`config`] | which adapters, with which settings |

pub mod app;
pub mod boot;
pub mod config;
pub mod contract;
pub mod crypto;
pub mod domain;
pub mod error;
pub mod grpc;
pub mod http;
pub mod ports;
pub mod sessions;
pub mod store;
