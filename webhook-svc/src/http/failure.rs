//! Why there is no answer, as a verdict and in words.

use std::{error::Error, time::Duration};

use crate::domain::{delivery::Verdict, egress::Refused};

/// Longest explanation, in bytes.
const DETAIL_BYTES_MAX: usize = 256;

/// An exchange that brought no answer. It travels through the HTTP client as the cause of its error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub(super) struct Failure {
    pub verdict: Verdict,
    /// For people; nothing is decided by it.
    pub detail: String,
}

impl Failure {
    fn new(verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { verdict, detail: readable(&detail.into()) }
    }

    pub(super) fn refused(why: Refused) -> Self {
        Self::new(Verdict::Refused, format!("the address {why}"))
    }

    pub(super) fn no_address() -> Self {
        Self::new(Verdict::Dns, "the name has no address")
    }

    pub(super) fn no_connection(error: &std::io::Error) -> Self {
        Self::new(Verdict::Connect, error.to_string())
    }

    pub(super) fn no_tls(error: &std::io::Error) -> Self {
        Self::new(Verdict::Tls, error.to_string())
    }

    pub(super) fn too_slow(limit: Duration) -> Self {
        Self::new(Verdict::Timeout, format!("not within {} s", limit.as_secs()))
    }

    pub(super) fn ours(error: impl std::fmt::Display) -> Self {
        Self::new(Verdict::Ours, error.to_string())
    }

    /// What an error of the HTTP client means: a failure to connect is ours already; what comes later broke the exchange.
    pub(super) fn of(error: &hyper_util::client::legacy::Error) -> Self {
        let mut source: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(cause) = source {
            if let Some(failure) = cause.downcast_ref::<Self>() {
                return failure.clone();
            }
            if let Some(broken) = cause.downcast_ref::<hyper::Error>() {
                return Self::new(Verdict::Broken, broken_because(broken));
            }
            source = cause.source();
        }
        Self::new(Verdict::Broken, "the connection broke")
    }
}

fn broken_because(error: &hyper::Error) -> &'static str {
    if error.is_parse_too_large() {
        "the head of the answer is too large"
    } else if error.is_parse() {
        "the answer is not HTTP"
    } else if error.is_incomplete_message() {
        "the connection was closed before an answer"
    } else {
        "the connection broke"
    }
}

/// A text that can be stored and shown: no control characters (NUL least of all), not too long.
fn readable(text: &str) -> String {
    let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.truncate(text.floor_char_boundary(DETAIL_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_can_be_stored_and_shown() {
        let failure = Failure::ours(format!("a\0b\n{}", "ä".repeat(200)));
        assert!(failure.detail.starts_with("a b ä") && failure.detail.len() <= DETAIL_BYTES_MAX, "{failure:?}");
    }
}
