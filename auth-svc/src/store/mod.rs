//! Where the directory is kept.

pub mod memory;
pub mod postgres;

/// How long a code is remembered after its end, so that a second use is recognised.
const CODE_KEPT: std::time::Duration = std::time::Duration::from_secs(3600);
/// Most orders to end sessions that are read at once.
const REVOCATIONS_MAX: usize = 100;
