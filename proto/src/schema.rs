//! JSON Schemas (draft 2020-12) of the JSON form of messages, comments included.
//!
//! They describe what [`json`](crate::json) writes. A reader must take what it does not know: a field or a value of an
//! enum may be added at any time.

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::{comment, descriptor::is_in_ids};

/// Marks the fields that endpoints with the payload profile `ids` get.
pub const IN_IDS: &str = "x-in-ids";

/// Returns the schema of a message: an object whose messages within are in `$defs`.
pub fn of(message: &MessageDescriptor) -> Value {
    let mut schema = object(message);
    let mut within = Map::new();
    collect(message, &mut within);
    if let Some(object) = schema.as_object_mut()
        && !within.is_empty()
    {
        object.insert("$defs".to_owned(), Value::Object(within));
    }
    schema
}

fn object(message: &MessageDescriptor) -> Value {
    let properties: Map<String, Value> =
        message.fields().map(|field| (field.name().to_owned(), property(&field))).collect();
    json!({ "type": "object", "description": comment::of_message(message), "properties": properties })
}

/// Adds the messages that `message` is made of, each once.
fn collect(message: &MessageDescriptor, within: &mut Map<String, Value>) {
    for field in message.fields() {
        let Some(inner) = message_of(&field).filter(|inner| well_known(inner).is_none()) else { continue };
        if !within.contains_key(inner.name()) {
            within.insert(inner.name().to_owned(), object(&inner));
            collect(&inner, within);
        }
    }
}

/// The message that a field holds, or a list or map of which it holds.
fn message_of(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    let kind = if field.is_map() { map_value(field)?.kind() } else { field.kind() };
    kind.as_message().cloned()
}

fn map_value(field: &FieldDescriptor) -> Option<FieldDescriptor> {
    Some(field.kind().as_message()?.map_entry_value_field())
}

fn property(field: &FieldDescriptor) -> Value {
    let mut schema = if field.is_map() {
        json!({ "type": "object", "additionalProperties": map_value(field).map(|value| kind(&value.kind())) })
    } else if field.is_list() {
        json!({ "type": "array", "items": kind(&field.kind()) })
    } else {
        kind(&field.kind())
    };
    let text = comment::of_field(field);
    if let Some(object) = schema.as_object_mut()
        && !text.is_empty()
    {
        object.insert("description".to_owned(), text.into());
    }
    if let Some(object) = schema.as_object_mut()
        && is_in_ids(field)
    {
        object.insert(IN_IDS.to_owned(), true.into());
    }
    schema
}

fn kind(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::String => json!({ "type": "string" }),
        Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Kind::Double | Kind::Float => json!({ "type": "number" }),
        Kind::Uint32 | Kind::Fixed32 | Kind::Uint64 | Kind::Fixed64 => json!({ "type": "integer", "minimum": 0 }),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 | Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            json!({ "type": "integer" })
        }
        Kind::Enum(of) => json!({ "type": "string", "examples": names(of) }),
        Kind::Message(message) => match well_known(message) {
            Some(format) => json!({ "type": "string", "format": format }),
            None => json!({ "$ref": format!("#/$defs/{}", message.name()) }),
        },
    }
}

/// The names of an enum's values. They are examples: a value may be added.
fn names(of: &EnumDescriptor) -> Vec<String> {
    of.values().filter(|value| value.number() != 0).map(|value| value.name().to_owned()).collect()
}

/// The format of the messages of protobuf itself that are texts in JSON.
fn well_known(message: &MessageDescriptor) -> Option<&'static str> {
    match message.full_name() {
        "google.protobuf.Timestamp" => Some("date-time"),
        // JSON Schema's own `duration` is another one: this is `3.5s`.
        "google.protobuf.Duration" => Some("protobuf-duration"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::pool;

    fn schema(name: &str) -> Value {
        of(&pool().get_message_by_name(name).unwrap())
    }

    #[test]
    fn every_kind_of_field_has_its_form() {
        let revoked = schema("latchkey.event.v1.SessionRevoked");
        assert_eq!(revoked["properties"]["session"]["$ref"], "#/$defs/Session");
        let session = &revoked["$defs"]["Session"]["properties"];
        assert_eq!(session["created_at"]["format"], "date-time");
        assert_eq!(session["amr"]["items"], json!({ "type": "string" }));
        assert_eq!(session["attributes"]["additionalProperties"], json!({ "type": "string" }));
        assert_eq!(
            (session["generation"]["type"].as_str(), session["generation"]["minimum"].as_u64()),
            (Some("integer"), Some(0))
        );
        assert_eq!(session["state"]["examples"][1], "SESSION_STATE_REVOKED");
        assert_eq!(session["device"]["$ref"], "#/$defs/Device");
        assert!(revoked["$defs"]["Device"]["properties"]["name"]["description"].as_str().unwrap().starts_with("Name"));
        assert_eq!(session["keep_signed_in"]["type"], "boolean");
        assert_eq!((session["id"].get(IN_IDS), session["device"].get(IN_IDS)), (Some(&json!(true)), None));
    }

    #[test]
    fn what_holds_no_message_has_no_definitions() {
        assert!(schema("latchkey.event.v1.UserCreated").get("$defs").is_none());
    }
}
