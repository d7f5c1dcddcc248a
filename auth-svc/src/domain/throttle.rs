//! How long whoever guesses passwords must wait: not at all for the first few, then twice as long each time. Nobody is
//! locked out for good, and guesses from one network do not slow down sign-ins from another.

use std::{net::IpAddr, time::Duration};

use svc_kit::clock::Timestamp;

/// Failures that cost nothing: of one account from one network, and of one network over all accounts.
pub const FREE_OF_ACCOUNT: u32 = 5;
/// More, because many people may share a network.
pub const FREE_OF_NETWORK: u32 = 100;
/// The first wait, and the longest.
const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(15 * 60);
/// After so long without a failure everything is forgotten.
const MEMORY: Duration = Duration::from_secs(3600);
/// Bits of an address that name a network.
const BITS_OF_V4: u32 = 24;
const BITS_OF_V6: u32 = 56;

/// Failures so far, and when the last one was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    count: u32,
    last: Timestamp,
}

impl Failures {
    /// No failure yet.
    pub const NONE: Self = Self { count: 0, last: Timestamp::EPOCH };

    /// Says how long to wait yet when `free` failures cost nothing.
    pub fn wait(self, free: u32, now: Timestamp) -> Duration {
        if self.count < free || self.is_forgotten(now) {
            return Duration::ZERO;
        }
        let whole = WAIT_FIRST.saturating_mul(1 << (self.count - free).min(20)).min(WAIT_MAX);
        whole.saturating_sub(now.duration_since(self.last))
    }

    /// One more.
    #[must_use]
    pub fn and_one(self, now: Timestamp) -> Self {
        let count = if self.is_forgotten(now) { 0 } else { self.count };
        Self { count: count.saturating_add(1), last: now }
    }

    /// One less: it was none.
    #[must_use]
    pub fn but_one(self) -> Self {
        Self { count: self.count.saturating_sub(1), ..self }
    }

    /// Says whether they are too long ago to matter.
    pub fn is_forgotten(self, now: Timestamp) -> bool {
        self.count == 0 || now.duration_since(self.last) >= MEMORY
    }
}

/// The network that an address belongs to, as a text; empty for what is no address.
pub fn network_of(address: &str) -> String {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => {
            let mask = u32::MAX << (32 - BITS_OF_V4);
            std::net::Ipv4Addr::from_bits(address.to_bits() & mask).to_string()
        }
        Ok(IpAddr::V6(address)) => {
            let mask = u128::MAX << (128 - BITS_OF_V6);
            std::net::Ipv6Addr::from_bits(address.to_bits() & mask).to_string()
        }
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_ms(1_700_000_000_000);

    #[test]
    fn waits_double_up_to_a_bound_and_are_forgotten() {
        let mut failures = Failures::NONE;
        let mut waits = Vec::new();
        for _ in 0..18 {
            waits.push(failures.wait(FREE_OF_ACCOUNT, START).as_secs());
            failures = failures.and_one(START);
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        let later = |seconds| START.saturating_add(Duration::from_secs(seconds));
        assert_eq!(failures.wait(FREE_OF_ACCOUNT, later(899)).as_secs(), 1);
        assert_eq!(failures.wait(FREE_OF_ACCOUNT, later(900)), Duration::ZERO);
        assert!(!failures.is_forgotten(later(3599)) && failures.is_forgotten(later(3600)));
        assert_eq!(failures.and_one(later(3600)).wait(FREE_OF_ACCOUNT, later(3600)), Duration::ZERO);
        assert_eq!(Failures::NONE.but_one(), Failures::NONE);
    }

    #[test]
    fn addresses_of_one_network_are_the_same() {
        assert_eq!(network_of("192.0.2.7"), network_of("192.0.2.200"));
        assert_eq!(network_of("192.0.2.7"), network_of("::ffff:192.0.2.9"));
        assert_ne!(network_of("192.0.2.7"), network_of("192.0.3.7"));
        assert_eq!(network_of("2001:db8:0:1::1"), network_of("2001:db8:0:2::9"));
        assert_ne!(network_of("2001:db8:0:100::1"), network_of("2001:db8:0:200::1"));
        assert_eq!(network_of("nowhere"), "");
    }
}
