//! Signing in on a device that has no browser: a code is shown there and typed where there is one (RFC 8628).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use svc_kit::{
    clock::Timestamp,
    entropy::{self, Entropy},
    secret,
};

use super::grant::Grant;

/// The device grant, by its name at the token endpoint.
pub const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How long a device waits for its user.
pub const DEVICE_LIFETIME: Duration = Duration::from_secs(600);
/// How long a device waits before it asks again, at first; and how much longer each time that it asks too early.
pub const INTERVAL_S: u64 = 5;
/// What user codes are made of: no vowels, so no words; nothing that looks like something else (RFC 8628 §6.1).
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Letters of a user code: 20⁸ are 2.5 · 10¹⁰ codes, of which a guess has ten minutes to find one.
const LETTERS: usize = 8;

/// A user code: what the device shows and the user types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCode(String);

impl UserCode {
    /// Makes one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut letters = String::with_capacity(LETTERS);
        while letters.len() < LETTERS {
            // Bytes from 240 on would make some letters more frequent than others.
            let bytes = entropy::bytes::<16>(entropy);
            let fair =
                bytes.iter().filter(|byte| **byte < 240).map(|byte| char::from(ALPHABET[usize::from(*byte) % 20]));
            letters.extend(fair.take(LETTERS - letters.len()));
        }
        Self(letters)
    }

    /// Reads what somebody typed: case, spaces and dashes do not matter.
    pub fn parse(typed: &str) -> Option<Self> {
        let letters: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let letters = letters.to_ascii_uppercase();
        let is_code = letters.len() == LETTERS && letters.bytes().all(|letter| ALPHABET.contains(&letter));
        is_code.then_some(Self(letters))
    }

    /// What it is kept by.
    pub fn hash(&self) -> [u8; 32] {
        secret::sha256(self.0.as_bytes())
    }
}

impl std::fmt::Display for UserCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (first, second) = self.0.split_at(LETTERS / 2);
        write!(f, "{first}-{second}")
    }
}

/// A device that waits for its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Hash of the code that it asks with.
    pub hash: [u8; 32],
    /// Hash of the code that it shows.
    pub user_code: [u8; 32],
    /// What it asks for, and what became of that.
    pub request: DeviceRequest,
    /// When it gives up.
    pub expires_at: Timestamp,
    /// Grows with every change.
    pub revision: i64,
}

/// What a device asks for, and what became of that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRequest {
    /// Tenant.
    pub tenant: String,
    /// Application.
    pub client_id: String,
    /// Scopes.
    pub scopes: Vec<String>,
    /// Resources that access tokens will be for.
    pub resources: Vec<String>,
    /// How long it must wait before it asks again, in seconds.
    pub interval_s: u64,
    /// When it asked last.
    pub asked_at: Option<Timestamp>,
    /// What the user said.
    pub decision: Decision,
}

/// What a user said to a device's request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// Nothing yet.
    Open,
    /// Yes.
    Allowed(Box<Grant>),
    /// No.
    Denied,
    /// Yes, and the device has its tokens.
    Spent,
}

/// What a device is told that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The user said nothing yet.
    Pending,
    /// Likewise, and it asks too often.
    SlowDown,
    /// The user said no.
    Denied,
    /// Too late, or it has its tokens already.
    Over,
    /// The user said yes.
    Allowed(Box<Grant>),
}

impl Device {
    /// Says whether a user can decide, still.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.request.decision == Decision::Open && now < self.expires_at
    }

    /// What the device is told when it asks at `now`, and what it is then.
    #[must_use]
    pub fn ask(mut self, now: Timestamp) -> (Self, Told) {
        if now >= self.expires_at {
            return (self, Told::Over);
        }
        let interval = Duration::from_secs(self.request.interval_s);
        let is_early = self.request.asked_at.is_some_and(|before| now < before.saturating_add(interval));
        self.request.asked_at = Some(now);
        if is_early {
            self.request.interval_s = self.request.interval_s.saturating_add(INTERVAL_S);
            return (self, Told::SlowDown);
        }
        let told = match &self.request.decision {
            Decision::Open => Told::Pending,
            Decision::Denied => Told::Denied,
            Decision::Spent => Told::Over,
            Decision::Allowed(grant) => Told::Allowed(grant.clone()),
        };
        if matches!(told, Told::Allowed(_)) {
            self.request.decision = Decision::Spent;
        }
        (self, told)
    }
}

#[cfg(test)]
mod tests {
    use svc_kit::entropy::SeededEntropy;

    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);

    fn after(seconds: u64) -> Timestamp {
        NOW.saturating_add(Duration::from_secs(seconds))
    }

    fn device(decision: Decision) -> Device {
        let request = DeviceRequest {
            tenant: "default".to_owned(),
            client_id: "tv".to_owned(),
            scopes: vec!["openid".to_owned()],
            resources: Vec::new(),
            interval_s: INTERVAL_S,
            asked_at: None,
            decision,
        };
        Device { hash: [1; 32], user_code: [2; 32], request, expires_at: after(600), revision: 0 }
    }

    #[test]
    fn codes_are_read_as_people_type_them() {
        let code = UserCode::generate(&SeededEntropy::new(1));
        let shown = code.to_string();
        assert_eq!((shown.len(), shown.find('-')), (9, Some(4)));
        for typed in
            [shown.clone(), shown.to_lowercase(), shown.replace('-', ""), format!(" {} ", shown.replace('-', " "))]
        {
            assert_eq!(UserCode::parse(&typed), Some(code.clone()), "{typed}");
        }
        for bad in ["", "BCDF", "BCDF-GHJA", "BCDF-GHJK-L", "BCDF_GHJK", "ＢCDF-GHJK"] {
            assert_eq!(UserCode::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn who_asks_too_often_waits_longer() {
        let mut device = device(Decision::Open);
        for (seconds, expected) in [
            (0, Told::Pending),
            (5, Told::Pending),
            (9, Told::SlowDown),
            (18, Told::SlowDown),
            (33, Told::Pending),
            (48, Told::Pending),
            (600, Told::Over),
        ] {
            let (then, told) = device.ask(after(seconds));
            assert_eq!(told, expected, "after {seconds} s");
            device = then;
        }
    }

    #[test]
    fn device_learns_what_its_user_said_and_gets_tokens_once() {
        assert_eq!(device(Decision::Denied).ask(NOW).1, Told::Denied);
        let grant: Grant = serde_json::from_value(serde_json::json!({
            "tenant": "default", "client_id": "tv", "user_id": "user_x", "redirect_uri": "", "scopes": [], "nonce": "",
            "challenge": "", "sso_session": "", "authenticated_at": 0, "epoch": 0
        }))
        .unwrap();
        let allowed = device(Decision::Allowed(Box::new(grant.clone())));
        assert!(!allowed.is_open(NOW));
        let (spent, told) = allowed.ask(NOW);
        assert_eq!(told, Told::Allowed(Box::new(grant)));
        assert_eq!(spent.ask(after(10)).1, Told::Over);
    }
}
