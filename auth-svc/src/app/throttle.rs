//! Slows down whoever guesses passwords, by account and network.
//!
//! An attempt counts as a failure from its beginning, so that many at once gain nothing; a good one takes that back. What
//! is counted is the login as it was typed, whether somebody has it or not: waiting tells nothing about that. Each process
//! counts for itself, in memory of a bounded size.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use svc_kit::{clock::Timestamp, secret};

use crate::domain::throttle::{FREE_OF_ACCOUNT, FREE_OF_NETWORK, Failures};

/// Most accounts and networks that are counted at once.
const ENTRIES_MAX: usize = 100_000;

type Key = [u8; 32];

/// Failures by account and network.
#[derive(Default)]
pub struct Throttle(Mutex<HashMap<Key, Failures>>);

/// Whose attempt it is.
#[derive(Clone, Debug)]
pub struct Attempt {
    account: Key,
    network: Option<Key>,
}

impl Attempt {
    /// An attempt to sign in with `login`; `network` is empty when it is not known.
    pub fn new(tenant: &str, login: &str, network: &str) -> Self {
        let login = login.trim().to_lowercase();
        // No part has a line feed, so that two different accounts never look the same.
        let key = |parts: [&str; 3]| secret::sha256(parts.map(|part| part.replace('\n', " ")).join("\n").as_bytes());
        let network_key = (!network.is_empty()).then(|| key(["", "", network]));
        Self { account: key([tenant, &login, network]), network: network_key }
    }
}

impl Throttle {
    /// Begins an attempt, or says how long to wait.
    ///
    /// # Errors
    /// The time to wait.
    pub fn begin(&self, attempt: &Attempt, now: Timestamp) -> Result<(), Duration> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let limits = [(Some(attempt.account), FREE_OF_ACCOUNT), (attempt.network, FREE_OF_NETWORK)];
        let failures = |key: &Key| counted.get(key).copied().unwrap_or(Failures::NONE);
        let waits = limits.iter().filter_map(|(key, free)| key.map(|key| failures(&key).wait(*free, now)));
        let wait = waits.max().unwrap_or_default();
        if !wait.is_zero() {
            return Err(wait);
        }
        if counted.len() >= ENTRIES_MAX {
            counted.retain(|_, failures| !failures.is_forgotten(now));
        }
        if counted.len() >= ENTRIES_MAX {
            counted.retain(|_, failures| !failures.wait(FREE_OF_ACCOUNT, now).is_zero());
        }
        if counted.len() >= ENTRIES_MAX {
            counted.clear();
        }
        for key in limits.into_iter().filter_map(|(key, _)| key) {
            let failures = counted.entry(key).or_insert(Failures::NONE);
            *failures = failures.and_one(now);
        }
        Ok(())
    }

    /// Notes that an attempt was good: the account is as if nothing had been.
    pub fn succeeded(&self, attempt: &Attempt) {
        self.take_back(attempt);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&attempt.account);
    }

    /// Notes that an attempt was none: nothing was checked.
    pub fn take_back(&self, attempt: &Attempt) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in [Some(attempt.account), attempt.network].into_iter().flatten() {
            if let Some(failures) = counted.get_mut(&key) {
                *failures = failures.but_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_ms(1_700_000_000_000);

    #[test]
    fn guesses_of_one_account_wait_and_others_do_not() {
        let throttle = Throttle::default();
        let attempt = Attempt::new("one", "Ada@example.com", "192.0.2.0");
        for _ in 0..FREE_OF_ACCOUNT {
            assert_eq!(throttle.begin(&attempt, START), Ok(()));
        }
        let spelled = Attempt::new("one", " ada@EXAMPLE.com", "192.0.2.0");
        assert_eq!(throttle.begin(&spelled, START), Err(Duration::from_secs(1)));
        for other in [
            ("one", "ada@example.com", "198.51.100.0"),
            ("one", "b@example.com", "192.0.2.0"),
            ("two", "ada@example.com", "192.0.2.0"),
        ] {
            assert_eq!(throttle.begin(&Attempt::new(other.0, other.1, other.2), START), Ok(()));
        }
        let later = START.saturating_add(Duration::from_secs(1));
        assert_eq!(throttle.begin(&attempt, later), Ok(()));
        assert_eq!(throttle.begin(&attempt, later), Err(Duration::from_secs(2)));
        throttle.succeeded(&attempt);
        assert_eq!(throttle.begin(&attempt, later), Ok(()));
    }

    #[test]
    fn one_network_that_tries_many_accounts_waits() {
        let throttle = Throttle::default();
        let attempt = |number: u32| Attempt::new("one", &format!("{number}@example.com"), "192.0.2.0");
        for number in 0..FREE_OF_NETWORK {
            assert_eq!(throttle.begin(&attempt(number), START), Ok(()));
        }
        assert_eq!(throttle.begin(&attempt(FREE_OF_NETWORK), START), Err(Duration::from_secs(1)));
        throttle.take_back(&attempt(0));
        assert_eq!(throttle.begin(&attempt(FREE_OF_NETWORK), START), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::default();
        for number in 0..ENTRIES_MAX + 10 {
            let _ = throttle.begin(&Attempt::new("one", &number.to_string(), ""), START);
        }
        assert!(throttle.0.lock().unwrap().len() <= ENTRIES_MAX);
    }
}
