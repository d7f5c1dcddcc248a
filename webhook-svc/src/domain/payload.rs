//! The webhook body of an attempt, from the body that is in the log.
//!
//! What is in the log is written once; what changes it for an attempt gives the same bytes at every attempt.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// How much of an event an endpoint gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// All of it.
    #[default]
    Full,
    /// Ids and names of what happened, and nothing about people.
    Ids,
}

/// What is kept of a value: a list of what may stay, so that what is added later stays out until somebody says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// All of it.
    Whole,
    /// These fields.
    Fields(BTreeMap<String, Self>),
}

impl Kept {
    /// Nothing.
    pub const NOTHING: Self = Self::Fields(BTreeMap::new());

    fn of(&self, value: Value) -> Value {
        match (self, value) {
            (Self::Whole, value) => value,
            (Self::Fields(fields), Value::Object(object)) => {
                let kept = object.into_iter().filter_map(|(name, value)| {
                    let value = fields.get(&name)?.of(value);
                    Some((name, value))
                });
                Value::Object(kept.collect())
            }
            (Self::Fields(_), Value::Array(items)) => items.into_iter().map(|item| self.of(item)).collect(),
            (Self::Fields(_), _) => Value::Null,
        }
    }
}

/// Returns the body with only what `kept` says of its `data`; what is around that names the event and stays.
pub fn reduced(body: &str, kept: &Kept) -> String {
    let body: Map<String, Value> = serde_json::from_str(body).unwrap_or_default();
    let reduced = body.into_iter().map(|(name, value)| {
        let value = if name == "data" { kept.of(value) } else { value };
        (name, value)
    });
    Value::Object(reduced.collect()).to_string()
}

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

    #[test]
    fn only_what_is_listed_is_kept() {
        let fields = |fields: &[(&str, Kept)]| {
            Kept::Fields(fields.iter().map(|(name, kept)| ((*name).to_owned(), kept.clone())).collect())
        };
        let kept = fields(&[("id", Kept::Whole), ("session", fields(&[("id", Kept::Whole)]))]);
        let body = r#"{"id":"e1","sequence":18446744073709551615,"type":"t",
                       "data":{"id":"d","ip":"192.0.2.1","session":[{"id":"s","device":{"name":"x"}}]}}"#;
        let expected = serde_json::json!({
            "id": "e1", "sequence": u64::MAX, "type": "t", "data": { "id": "d", "session": [{ "id": "s" }] },
        });
        assert_eq!(serde_json::from_str::<Value>(&reduced(body, &kept)).unwrap(), expected);
        assert_eq!(reduced(body, &kept), reduced(body, &kept));
        assert_eq!(reduced(r#"{"data":{"a":1}}"#, &Kept::NOTHING), r#"{"data":{}}"#);
        // What cannot be read cannot be reduced, and says nothing.
        assert_eq!(reduced("garbage", &kept), "{}");
        assert_eq!(reduced(r#"{"data":"text"}"#, &kept), r#"{"data":null}"#);
    }
}
