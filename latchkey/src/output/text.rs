//! How single values are written for people.

use std::time::Duration;

use svc_kit::clock::Timestamp;

const SECOND: u64 = 1;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Writes a moment relative to the present one, e.g. `3 min ago`, `in 29 d`; nothing when it is absent.
pub fn relative(moment: Option<&prost_types::Timestamp>, now: Timestamp) -> String {
    let Some(moment) = moment.and_then(|moment| Timestamp::from_proto(moment).ok()) else { return String::new() };
    if moment > now {
        format!("in {}", span(moment.duration_since(now)))
    } else {
        format!("{} ago", span(now.duration_since(moment)))
    }
}

/// Writes a moment in full and relative, e.g. `2026-01-31T09:30:00.250Z (3 min ago)`; nothing when it is absent.
pub fn moment(moment: Option<&prost_types::Timestamp>, now: Timestamp) -> String {
    match moment.and_then(|moment| Timestamp::from_proto(moment).ok()) {
        Some(at) => format!("{at} ({})", relative(moment, now)),
        None => String::new(),
    }
}

/// Writes a length of time in its largest unit, rounded.
fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    let (unit, name) = match seconds {
        0..MINUTE => (SECOND, "s"),
        MINUTE..HOUR => (MINUTE, "min"),
        HOUR..DAY => (HOUR, "h"),
        _ => (DAY, "d"),
    };
    format!("{} {name}", (seconds + unit / 2) / unit)
}

/// Writes the name of an enum value without its prefix and in lower case; nothing for the unspecified one.
pub fn word(name: &str, prefix: &str) -> String {
    match name.strip_prefix(prefix).unwrap_or(name) {
        "UNSPECIFIED" => String::new(),
        word => word.to_ascii_lowercase(),
    }
}

/// Writes a yes, and nothing for a no.
pub fn yes(is: bool) -> String {
    if is { "yes".to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_relative_to_the_present_one() {
        let now = Timestamp::from_ms(1_700_000_000_000);
        let cases =
            [(0, "0 s ago"), (-59, "59 s ago"), (-180, "3 min ago"), (7_200, "in 2 h"), (30 * 86_400 - 4, "in 30 d")];
        for (seconds, expected) in cases {
            let at = Timestamp::from_ms(now.as_ms() + seconds * 1000).to_proto();
            assert_eq!(relative(Some(&at), now), expected);
        }
        assert_eq!(relative(None, now), "");
    }

    #[test]
    fn enum_values_lose_their_prefix() {
        assert_eq!(word("SESSION_STATE_ACTIVE", "SESSION_STATE_"), "active");
        assert_eq!(word("SESSION_STATE_UNSPECIFIED", "SESSION_STATE_"), "");
    }
}
