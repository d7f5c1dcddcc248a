//! Runs the real program, where needed against the development stack in this process.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod directory;
mod listen;
mod policies;
mod program;
mod readme;
mod receive;
mod server;
mod sessions;
mod stack;
mod tour;
mod usage;
mod webhooks;
