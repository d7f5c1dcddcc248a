//! What can be put under load.

pub mod auth;
pub mod broker;
pub mod database;
pub mod echo;
pub mod http;
pub mod outbox;
pub mod peer;
pub mod posts;
pub mod receiver;
pub mod redis;
pub mod session;
pub mod webhook;

/// A place of `length` for a turn of a slot: all are visited, in an order that no cache likes.
pub fn spread(slot: usize, turn: usize, length: usize) -> usize {
    const STRIDE: usize = 0x9E37_79B9;
    (slot.wrapping_mul(7_919).wrapping_add(turn)).wrapping_mul(STRIDE) % length
}
