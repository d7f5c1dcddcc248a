//! Why there is no answer, as a cause and in words.

use std::{error::Error, time::Duration};

use super::policy::Refused;

/// Longest explanation, in bytes.
const DETAIL_BYTES_MAX: usize = 256;

/// Why an exchange brought no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Our rules refuse the address.
    Refused,
    /// The name has no address.
    Dns,
    /// No connection.
    Connect,
    /// No trust in the certificate, or no TLS.
    Tls,
    /// Too slow.
    Timeout,
    /// The connection broke after it stood.
    Broken,
    /// A fault of ours; the other side is not to blame.
    Ours,
}

/// An exchange that brought no answer. It travels through the HTTP client as the cause of its error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Failure {
    /// Why.
    pub cause: Cause,
    /// For people; nothing is decided by it.
    pub detail: String,
}

impl Failure {
    fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self { cause, detail: readable(&detail.into()) }
    }

    pub(super) fn refused(why: Refused) -> Self {
        Self::new(Cause::Refused, format!("the address {why}"))
    }

    pub(super) fn no_address() -> Self {
        Self::new(Cause::Dns, "the name has no address")
    }

    pub(super) fn no_connection(error: &std::io::Error) -> Self {
        Self::new(Cause::Connect, error.to_string())
    }

    pub(super) fn no_tls(error: &std::io::Error) -> Self {
        Self::new(Cause::Tls, error.to_string())
    }

    /// It took longer than `limit`.
    pub fn too_slow(limit: Duration) -> Self {
        Self::new(Cause::Timeout, format!("not within {} s", limit.as_secs()))
    }

    pub(super) fn ours(error: impl std::fmt::Display) -> Self {
        Self::new(Cause::Ours, error.to_string())
    }

    /// What an error of the HTTP client means: a failure to connect is ours already; what comes later broke the exchange.
    pub(super) fn of(error: &hyper_util::client::legacy::Error) -> Self {
        let mut source: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(cause) = source {
            if let Some(failure) = cause.downcast_ref::<Self>() {
                return failure.clone();
            }
            if let Some(broken) = cause.downcast_ref::<hyper::Error>() {
                return Self::new(Cause::Broken, broken_because(broken));
            }
            source = cause.source();
        }
        Self::new(Cause::Broken, "the connection broke")
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
