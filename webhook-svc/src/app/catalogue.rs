//! The catalogue: which types of events there are, and what their webhook bodies hold.

use std::{collections::HashMap, sync::LazyLock};

use prost_reflect::{FieldDescriptor, MessageDescriptor};
use proto::{
    catalogue::{EventType, event_types},
    descriptor::is_in_ids,
    schema,
};
use serde_json::{Value, json};

use crate::domain::{
    endpoint::{EventPattern, is_only_by_name},
    payload::Kept,
};

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

static NOTHING: Kept = Kept::NOTHING;
static KEPT: LazyLock<HashMap<&str, Kept>> =
    LazyLock::new(|| event_types().iter().map(|found| (found.name.as_str(), kept_of(&found.data))).collect());

/// Returns what endpoints with the profile `ids` get of the data of a type: what the contract marks. Of a type that it does
/// not know they get nothing.
pub fn kept(event_type: &str) -> &'static Kept {
    KEPT.get(event_type).unwrap_or(&NOTHING)
}

fn kept_of(message: &MessageDescriptor) -> Kept {
    let marked = message.fields().filter(is_in_ids);
    Kept::Fields(marked.map(|field| (field.name().to_owned(), kept_of_field(&field))).collect())
}

/// A message of ours is gone through field by field; a moment is a text.
fn kept_of_field(field: &FieldDescriptor) -> Kept {
    match field.kind().as_message() {
        Some(message) if message.full_name().starts_with("latchkey.") && !field.is_map() => kept_of(message),
        _ => Kept::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_the_contract_does_not_know_keeps_nothing() {
        assert_eq!(kept("no.such"), &Kept::NOTHING);
        assert_ne!(kept("session.revoked"), &Kept::NOTHING);
    }
}
