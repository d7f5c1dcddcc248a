//! The webhook body of an attempt, from the body that is in the log.
//!
//! What is in the log is written once; what changes it for an attempt gives the same bytes at every attempt.

/// Returns the body with the mark of a replay.
pub fn replayed(body: &str) -> String {
    match body.strip_suffix('}') {
        Some("{") => r#"{"replayed":true}"#.to_owned(),
        Some(fields) => format!(r#"{fields},"replayed":true}}"#),
        // Not a JSON object, so not a body of ours: sent as it is.
        None => body.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_is_marked_and_changes_nothing_else() {
        assert_eq!(replayed(r#"{"id":"e1","data":{}}"#), r#"{"id":"e1","data":{},"replayed":true}"#);
        assert_eq!(replayed("{}"), r#"{"replayed":true}"#);
        assert_eq!(replayed(""), "");
    }
}
