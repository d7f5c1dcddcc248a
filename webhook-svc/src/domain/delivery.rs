//! Deliveries: one event for one endpoint, and what came of each try.

/// The parts of a try, and how long they took.
pub use svc_kit::egress::{Phase, Timing};
use svc_kit::{clock::Timestamp, id::encode_base32, prefixed_id, secret};

use super::endpoint::EndpointId;

prefixed_id!(DeliveryId, "msg_", "Names a delivery; the `webhook-id` that the receiver sees.");

impl DeliveryId {
    /// The delivery of an event to an endpoint: the same however often it is asked for.
    #[expect(clippy::expect_used, reason = "the base32 of 16 bytes after the prefix is an id")]
    pub fn of(endpoint: &EndpointId, event: &str) -> Self {
        let hash = secret::sha256(format!("{endpoint} {event}").as_bytes());
        Self::parse(&format!("{}{}", Self::PREFIX, encode_base32(&hash[..16]))).expect("well-formed")
    }
}

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for its next attempt, or is being tried.
    Pending,
    /// Taken by the receiver.
    Succeeded,
    /// Given up.
    Exhausted,
    /// Its endpoint was disabled or deleted.
    Cancelled,
}

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its name.
    pub id: DeliveryId,
    /// Tenant.
    pub tenant: String,
    /// Endpoint that it is for.
    pub endpoint: EndpointId,
    /// Event that it carries.
    pub event: String,
    /// Type of the event.
    pub event_type: String,
    /// How it stands.
    pub state: State,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it is tried next.
    pub next_attempt_at: Option<Timestamp>,
    /// Attempts made, ever.
    pub attempt_count: u32,
    /// Whether it was made again by a replay.
    pub is_replay: bool,
}

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A response with a status.
    Status(u16),
    /// The name has no address.
    Dns,
    /// No connection.
    Connect,
    /// No trust in the certificate, or no TLS.
    Tls,
    /// Too slow.
    Timeout,
    /// Our egress rules refuse the address.
    Refused,
    /// The connection broke after it stood.
    Broken,
    /// A fault of ours; the receiver is not to blame.
    Ours,
    /// Nobody is left to tell.
    Moot,
}

impl Verdict {
    /// Says whether the receiver took the event.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Status(200..=299))
    }

    /// Stable name, for people and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status(200..=299) => "OK",
            Self::Status(_) => "STATUS",
            Self::Dns => "DNS",
            Self::Connect => "CONNECT",
            Self::Tls => "TLS",
            Self::Timeout => "TIMEOUT",
            Self::Refused => "REFUSED",
            Self::Broken => "BROKEN",
            Self::Ours => "OURS",
            Self::Moot => "MOOT",
        }
    }

    /// The HTTP status; 0 when there was none.
    pub fn status_code(self) -> u16 {
        match self {
            Self::Status(code) => code,
            _ => 0,
        }
    }
}

/// One try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// Name of the verdict.
    pub verdict: String,
    /// HTTP status, or 0.
    pub status_code: u16,
    /// How long it took.
    pub duration_ms: u32,
    /// And its parts.
    pub timing: Timing,
    /// The part in which it failed, if it did in one.
    pub failed_in: Option<Phase>,
    /// What else there is to say, for people.
    pub detail: String,
    /// Start of the response.
    pub response: String,
}
