//! What a session is and how it changes. Pure and synchronous: no I/O, no clock of its own, no generated types.

pub mod attributes;
pub mod cutoff;
pub mod device;
pub mod end;
pub mod event;
pub mod filter;
pub mod id;
pub mod policy;
pub mod reauthentication;
pub mod refresh;
pub mod revision;
pub mod session;
pub mod times;
pub mod token;
