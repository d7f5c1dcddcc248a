//! Outboxes: events wait beside the state that they tell of, until the bus has them.
//!
//! Cast: a **use case** writes state and event in one step. A **relay** takes events out in commit order, publishes them,
//! and removes what the bus confirmed. It may die anywhere: what was published and not removed is published again, with
//! the same id. [`postgres`] is a table written in the use case's transaction; [`memory`] is its likeness for development.

pub mod memory;
pub mod postgres;

use std::time::Duration;

/// Most events taken out at once.
const BATCH_MAX: usize = 1_024;
/// How long to wait after the bus did not take everything.
const RETRY_AFTER: Duration = Duration::from_millis(500);
