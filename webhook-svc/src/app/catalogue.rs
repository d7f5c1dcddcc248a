//! The catalogue: which types of events there are, and what their webhook bodies hold.

use proto::{
    catalogue::{EventType, event_types},
    schema,
};
use serde_json::{Value, json};

use crate::domain::endpoint::{EventPattern, is_only_by_name};

/// The dialect of the schemas.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A type of events, as callers see it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its dotted name.
    pub name: &'static str,
    /// When such an event happens.
    pub description: &'static str,
    /// JSON Schema of the webhook body.
    pub schema: Value,
    /// Whether only those get it who name it in full.
    pub is_only_by_name: bool,
}

/// Returns the types after `after` that match one of `types`, by name; none means all.
pub fn entries(types: &[EventPattern], after: &str) -> impl Iterator<Item = Entry> {
    let is_chosen = move |found: &&EventType| found.name.as_str() > after && EventPattern::choose(types, &found.name);
    event_types().iter().filter(is_chosen).map(|found| Entry {
        name: &found.name,
        description: &found.description,
        schema: body(found),
        is_only_by_name: is_only_by_name(&found.name),
    })
}

/// The schema of a webhook body: Standard Webhooks' envelope around the data.
fn body(of: &EventType) -> Value {
    let mut data = schema::of(&of.data);
    let within = data.as_object_mut().and_then(|data| data.remove("$defs"));
    let mut body = json!({
        "$schema": DIALECT,
        "title": of.name,
        "description": of.description,
        "type": "object",
        "required": ["type", "timestamp", "id", "tenant_id", "data"],
        "properties": {
            "type": { "const": of.name },
            "timestamp": { "type": "string", "format": "date-time", "description": "When it happened." },
            "id": { "type": "string", "description": "Identifies the event for ever." },
            "tenant_id": { "type": "string", "description": "Tenant that it concerns." },
            "sequence": {
                "type": "integer",
                "minimum": 1,
                "description": "Number of the event within the session; absent when it has none.",
            },
            "replayed": { "const": true, "description": "It was delivered again on request; absent otherwise." },
            "data": data,
        },
    });
    if let (Some(body), Some(within)) = (body.as_object_mut(), within) {
        body.insert("$defs".to_owned(), within);
    }
    body
}
