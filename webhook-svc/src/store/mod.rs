//! Where endpoints, events and deliveries are kept.

pub mod memory;
pub mod postgres;
