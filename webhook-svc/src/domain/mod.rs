//! Endpoints, deliveries, and the rules of sending. Pure and synchronous.

pub mod delivery;
pub mod endpoint;
pub mod headers;
pub mod health;
pub mod limits;
pub mod logout;
pub mod payload;
pub mod schedule;
pub mod signature;
pub mod signing;
