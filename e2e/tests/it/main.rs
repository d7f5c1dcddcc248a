//! The whole path over real gRPC and HTTP: on the development stack in memory, and on Redis, RabbitMQ and PostgreSQL.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod bad_input;
mod crashes;
mod disturbed;
mod logs;
mod main_path;
mod matrix;
mod outages;
mod policies;
mod races;
mod support;
