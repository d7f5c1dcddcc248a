//! Names that no other test has.

use std::sync::atomic::{AtomicU32, Ordering};

/// Returns a name that is used once on this machine.
pub fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{what}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
