//! The domain in the words of the contract: what adapters share when they speak protobuf.

pub mod event;
pub mod policy;
pub mod schedule;
pub mod session;
