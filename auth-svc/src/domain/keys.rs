//! Signing keys: which algorithms there are, and how a key comes and goes.
//!
//! A key is published before it signs, so that everybody who keeps a copy of the published keys has it by then; it stays
//! published after it signed, until nothing that it signed is good for anything any more.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use svc_kit::clock::Timestamp;

/// How long a new key is published before it signs: longer than others may keep a copy, and than each of our processes
/// takes to learn of it.
pub const PUBLISHED_FOR: Duration = Duration::from_secs(15 * 60);
/// How long a key that signs no more stays published. Access tokens are over after an hour; ID tokens are accepted as hints
/// long after that.
pub const RETIRED_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// An algorithm that we sign by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// RSA, which every relying party understands.
    #[default]
    #[serde(rename = "RS256")]
    Rs256,
    /// P-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl SigningAlgorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// Its name in a JWS (RFC 7518 §3.1, RFC 8037).
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is published and does not sign yet.
    Pending,
    /// It signs; one of each algorithm does.
    Active,
    /// It is published and signs no more.
    Retiring,
}

impl KeyState {
    /// Its name, as it is kept.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retiring => "retiring",
        }
    }

    /// How long it lasts; `signs_for` is how long a key signs before the next one is made.
    pub fn lasts(self, signs_for: Duration) -> Duration {
        match self {
            Self::Pending => PUBLISHED_FOR,
            Self::Active => signs_for,
            Self::Retiring => RETIRED_FOR,
        }
    }

    /// The state of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Pending, Self::Active, Self::Retiring].into_iter().find(|state| state.name() == name)
    }
}

/// What is to be done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStep {
    /// It begins to sign, and the one before it ceases to.
    Activate,
    /// It is forgotten.
    Remove,
}

impl KeyStep {
    /// What is to be done at `now` with a key that has been in `state` since a time.
    pub fn due(state: KeyState, since: Timestamp, now: Timestamp) -> Option<Self> {
        match state {
            KeyState::Pending if now >= since.saturating_add(PUBLISHED_FOR) => Some(Self::Activate),
            KeyState::Retiring if now >= since.saturating_add(RETIRED_FOR) => Some(Self::Remove),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_and_go_in_time() {
        let after = |time: Duration| Timestamp::EPOCH.saturating_add(time);
        let second = Duration::from_secs(1);
        for (state, time, expected) in [
            (KeyState::Pending, PUBLISHED_FOR.saturating_sub(second), None),
            (KeyState::Pending, PUBLISHED_FOR, Some(KeyStep::Activate)),
            (KeyState::Active, RETIRED_FOR * 100, None),
            (KeyState::Retiring, RETIRED_FOR.saturating_sub(second), None),
            (KeyState::Retiring, RETIRED_FOR, Some(KeyStep::Remove)),
        ] {
            assert_eq!(KeyStep::due(state, Timestamp::EPOCH, after(time)), expected, "{state:?} {time:?}");
        }
    }

    #[test]
    fn names_lead_back() {
        for algorithm in SigningAlgorithm::ALL {
            assert_eq!(SigningAlgorithm::parse(algorithm.name()), Some(algorithm));
            assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.name());
        }
        assert_eq!(SigningAlgorithm::parse("none"), None);
        for state in [KeyState::Pending, KeyState::Active, KeyState::Retiring] {
            assert_eq!(KeyState::parse(state.name()), Some(state));
        }
    }
}
