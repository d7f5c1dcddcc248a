//! Endpoints: who gets which events.

use std::time::Duration;

use svc_kit::{clock::Timestamp, prefixed_id};

use super::{headers::CustomHeader, limits::Limits, payload::Profile, schedule::Schedule, signing::Signing};

prefixed_id!(EndpointId, "ep_", "Names an endpoint.");

/// Most patterns of event types.
pub const EVENT_TYPES_MAX: usize = 32;

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name.
    pub id: EndpointId,
    /// Tenant whose events it gets.
    pub tenant: String,
    /// What it gets.
    pub kind: Kind,
    /// Address.
    pub url: String,
    /// Name for people.
    pub description: String,
    /// Which types.
    pub event_types: Vec<EventPattern>,
    /// Of which applications; empty means all.
    pub applications: Vec<String>,
    /// Why it gets nothing; `None` while it is enabled.
    pub disabled: Option<String>,
    /// Since when its events are kept and not sent; `None` while they are sent.
    pub paused_at: Option<Timestamp>,
    /// How much it is sent.
    pub limits: Limits,
    /// Whether events of one session are sent one after the other.
    pub is_ordered: bool,
    /// What signs.
    pub signing: Signing,
    /// What its owner says about the requests.
    pub manner: Manner,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What an endpoint gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Events, as webhooks.
    Webhook,
    /// Logout tokens, for the sessions of one application, whose configuration it follows.
    BackchannelLogout,
}

/// How many deliveries that piled up are sent in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainRate(u32);

impl DrainRate {
    /// What a caller gets that does not say.
    pub const DEFAULT: Self = Self(50);
    const MAX: u32 = 10_000;

    /// Reads a rate; `None` when it is out of bounds.
    pub fn parse(per_second: u32) -> Option<Self> {
        (1..=Self::MAX).contains(&per_second).then_some(Self(per_second))
    }

    /// Returns deliveries in a second.
    pub fn per_second(self) -> u32 {
        self.0
    }

    /// Returns when the delivery that has `before` others before it is due: never at `start` itself.
    pub fn due(self, start: Timestamp, before: u64) -> Timestamp {
        start.saturating_add(Duration::from_millis((before + 1).saturating_mul(1_000).div_ceil(u64::from(self.0))))
    }

    /// Returns the start from which the next delivery is due right after `now`, when it has `before` others before it.
    pub fn start(self, now: Timestamp, before: u64) -> Timestamp {
        now.saturating_sub(Duration::from_millis(before.saturating_mul(1_000) / u64::from(self.0)))
    }
}

/// What an owner says about the requests to an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Headers that are added.
    pub headers: Vec<CustomHeader>,
    /// How much of an event it gets.
    pub profile: Profile,
    /// When attempts are made; `None`: as is usual for the tenant.
    pub schedule: Option<Schedule>,
}

impl Endpoint {
    /// Says whether an event is for this endpoint.
    pub fn wants(&self, event: Subject<'_>) -> bool {
        let is_about_itself = is_operational(event.event_type) && event.aggregate == self.id.as_str();
        self.disabled.is_none()
            && self.tenant == event.tenant
            && !is_about_itself
            && (self.applications.is_empty() || self.applications.iter().any(|wanted| wanted == event.application))
            && self.event_types.iter().any(|pattern| pattern.subscribes_to(event.event_type))
    }
}

/// What an event is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Tenant.
    pub tenant: &'a str,
    /// Type of the event.
    pub event_type: &'a str,
    /// Application that it concerns; may be empty.
    pub application: &'a str,
    /// What it happened to.
    pub aggregate: &'a str,
}

/// Says whether events of a type are made by the engine itself: failing to deliver one of these makes no further event.
pub fn is_operational(event_type: &str) -> bool {
    matches!(event_type, "delivery.exhausted" | "endpoint.disabled" | "endpoint.failing")
}

/// Says whether events of a type are only sent to those who ask for it by its full name.
pub fn is_only_by_name(event_type: &str) -> bool {
    event_type == ONLY_BY_NAME
}

/// A pattern of event types: a dotted name, or the start of one and `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPattern(String);

/// Frequent and of little news: only for those who ask by name.
const ONLY_BY_NAME: &str = "session.refreshed";
/// Meant for one endpoint; patterns do not matter.
pub const PING: &str = "endpoint.pinged";

impl EventPattern {
    /// Reads a pattern; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let name = text.strip_suffix(".*").unwrap_or(text);
        let is_good = text == "*" || (text.len() <= 64 && name.split('.').all(is_part));
        is_good.then(|| Self(text.to_owned()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether a filter of patterns lets events of a type through; no patterns let all through.
    pub fn choose(filter: &[Self], event_type: &str) -> bool {
        filter.is_empty() || filter.iter().any(|pattern| pattern.matches(event_type))
    }

    /// Says whether events of a type are sent to who asks for this pattern.
    fn subscribes_to(&self, event_type: &str) -> bool {
        match event_type {
            PING => false,
            ONLY_BY_NAME => self.0 == event_type,
            _ => self.matches(event_type),
        }
    }

    /// Says whether a type matches.
    pub fn matches(&self, event_type: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => event_type.starts_with(start),
            None => self.0 == event_type,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_choose_types() {
        for (pattern, event_type, expected) in [
            ("*", "session.revoked", true),
            ("session.*", "session.revoked", true),
            ("session.*", "sessions.cutoff", false),
            ("session.revoked", "session.revoked", true),
            ("session.revoked", "session.expired", false),
            ("*", "session.refreshed", false),
            ("session.*", "session.refreshed", false),
            ("session.refreshed", "session.refreshed", true),
            ("*", "endpoint.pinged", false),
        ] {
            assert_eq!(
                EventPattern::parse(pattern).unwrap().subscribes_to(event_type),
                expected,
                "{pattern} {event_type}"
            );
        }
        for text in ["", ".", "a..b", "a*", "*.a", "a b", "ä", "session.*.x", &"a".repeat(65)] {
            assert_eq!(EventPattern::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_filter_without_patterns_lets_everything_through() {
        let filter = ["user.*", "session.refreshed"].map(|text| EventPattern::parse(text).unwrap());
        assert!(EventPattern::choose(&[], "session.revoked"));
        assert!(EventPattern::choose(&filter, "user.created") && EventPattern::choose(&filter, "session.refreshed"));
        assert!(!EventPattern::choose(&filter, "session.revoked"));
    }
}
