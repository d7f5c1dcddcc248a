//! Reads as much of an answer as we keep, and no further.

use http::{Response, header::RETRY_AFTER};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// Bytes of a body that are read, and kept.
const READ_MAX: usize = 16 * 1024;
const KEPT_MAX: usize = 1024;

/// An answer, as far as it matters.
pub(super) struct Answer {
    pub status: u16,
    /// `Retry-After`, as sent.
    pub retry_after: Option<String>,
    /// Start of the body.
    pub head: String,
    /// What else there is to say, for people.
    pub detail: String,
}

impl Answer {
    /// Reads the start of the body, as far as it comes; dropping the rest drops the connection.
    ///
    /// The status is what counts, also when the body is endless or breaks off: the receiver has spoken.
    pub(super) async fn read(response: Response<Incoming>) -> Self {
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut detail = if (300..400).contains(&status) { "redirects are not followed" } else { "" };
        let (mut body, mut head) = (response.into_body(), Vec::new());
        while head.len() < READ_MAX {
            match body.frame().await {
                Some(Ok(frame)) => head.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default()),
                Some(Err(_)) => {
                    detail = "the answer broke off";
                    break;
                }
                None => break,
            }
        }
        head.truncate(KEPT_MAX);
        // NUL is the one character that a PostgreSQL text cannot hold.
        let head = String::from_utf8_lossy(&head).replace('\0', "\u{fffd}");
        Self { status, retry_after, head, detail: detail.to_owned() }
    }
}
