//! How an attempt is shown to people.

use proto::webhook::v1::Attempt;

use crate::output::{Column, text::moment};

/// An attempt as a line of a table.
pub(super) const COLUMNS: &[Column<Attempt>] = &[
    ("AT", |attempt, now| moment(attempt.at.as_ref(), now)),
    ("VERDICT", |attempt, _| verdict(attempt)),
    ("STATUS", |attempt, _| match attempt.status_code {
        0 => String::new(),
        status => status.to_string(),
    }),
    ("TOOK", |attempt, _| format!("{} ms", attempt.duration_ms)),
    ("OF THAT", |attempt, _| parts(attempt)),
    ("DETAIL", |attempt, _| attempt.detail.clone()),
    ("RESPONSE", |attempt, _| attempt.response.clone()),
];

/// The verdict, and where it failed when the verdict does not say so itself.
fn verdict(attempt: &Attempt) -> String {
    let [verdict, part] = [&attempt.verdict, &attempt.failed_in].map(|name| name.to_lowercase().replace('_', " "));
    if part.is_empty() || part == verdict { verdict } else { format!("{verdict} ({part})") }
}

fn parts(attempt: &Attempt) -> String {
    let parts = [
        ("dns", attempt.dns_ms),
        ("connect", attempt.connect_ms),
        ("tls", attempt.tls_ms),
        ("first byte", attempt.first_byte_ms),
        ("body", attempt.body_ms),
    ];
    let taken = parts.into_iter().filter_map(|(name, took_ms)| Some(format!("{name} {}", took_ms?)));
    taken.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_parts_that_there_were_are_shown() {
        let attempt = Attempt {
            verdict: "TIMEOUT".to_owned(),
            failed_in: "FIRST_BYTE".to_owned(),
            dns_ms: Some(0),
            connect_ms: Some(3),
            first_byte_ms: Some(14_997),
            ..Attempt::default()
        };
        assert_eq!(parts(&attempt), "dns 0, connect 3, first byte 14997");
        assert_eq!(verdict(&attempt), "timeout (first byte)");
        let broken = Attempt { verdict: "TLS".to_owned(), failed_in: "TLS".to_owned(), ..Attempt::default() };
        assert_eq!(verdict(&broken), "tls");
    }
}
