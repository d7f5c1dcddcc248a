//! What the tests share.

mod objects;
mod raw;
mod stack;
mod wait;

pub use objects::Objects;
pub use raw::{RawClient, reason_of};
pub use stack::{DEFAULT_TENANT, OPERATOR_KEY, OTHER_TENANT, Stack};
pub use wait::unique;
