//! The catalogue of events says what is sent, and the document says what the catalogue says.

mod document;
mod schema;

use std::collections::BTreeSet;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use svc_kit::{clock::Timestamp, telemetry::TraceContext};
use webhook_svc::{
    app::{
        accept::logged,
        catalogue::{entries, kept},
    },
    domain::payload::{Kept, reduced, replayed},
};

/// A value of some kind that is not the default.
fn sample(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => Value::Bool(true),
        Kind::String => Value::String("🎉 \u{2028} text".to_owned()),
        Kind::Bytes => Value::Bytes(vec![1].into()),
        Kind::Enum(_) => Value::EnumNumber(1),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(7),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(1_700_000_000),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(7),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(u64::MAX),
        Kind::Float => Value::F32(0.5),
        Kind::Double => Value::F64(0.5),
        Kind::Message(message) => Value::Message(full(message)),
    }
}

fn value_of(field: &FieldDescriptor) -> Value {
    if field.is_map() {
        let value = field.kind().as_message().unwrap().map_entry_value_field();
        return Value::Map([(MapKey::String("key".to_owned()), sample(&value.kind()))].into());
    }
    let value = sample(&field.kind());
    if field.is_list() { Value::List(vec![value]) } else { value }
}

/// A message in which every field has a value.
fn full(of: &MessageDescriptor) -> DynamicMessage {
    let mut message = DynamicMessage::new(of.clone());
    for field in of.fields() {
        message.set_field(&field, value_of(&field));
    }
    message
}

/// An encoded event of the type.
fn event(event_type: &str, data: DynamicMessage) -> bytes::Bytes {
    let descriptor = proto::descriptor::pool().get_message_by_name("latchkey.event.v1.Event").unwrap();
    let mut event = DynamicMessage::new(descriptor);
    for (name, text) in [("id", "e1"), ("type", event_type), ("tenant_id", "acme")] {
        event.set_field_by_name(name, Value::String(text.to_owned()));
    }
    event.set_field_by_name("sequence", Value::U64(3));
    let occurred_at = event.descriptor_of("occurred_at");
    event.set_field_by_name("occurred_at", sample(&occurred_at));
    event.set_field_by_name(&event_type.replace('.', "_"), Value::Message(data));
    prost::Message::encode_to_vec(&event).into()
}

trait KindOf {
    fn descriptor_of(&self, field: &str) -> Kind;
}

impl KindOf for DynamicMessage {
    fn descriptor_of(&self, field: &str) -> Kind {
        use prost_reflect::ReflectMessage as _;
        self.descriptor().get_field_by_name(field).unwrap().kind()
    }
}

#[test]
fn what_is_sent_of_every_type_is_what_its_schema_says() {
    let mut problems = Vec::new();
    let mut checked = 0;
    for entry in entries(&[], "") {
        let found = proto::catalogue::event_types().iter().find(|found| found.name == entry.name).unwrap();
        for data in [full(&found.data), DynamicMessage::new(found.data.clone())] {
            let now = Timestamp::from_ms(1_700_000_000_000);
            let logged = logged(&event(entry.name, data), &TraceContext::default(), now).unwrap();
            let ids = reduced(&logged.payload, kept(entry.name));
            for body in [logged.payload.clone(), replayed(&logged.payload), replayed(&ids), ids] {
                let body = serde_json::from_str(&body).unwrap();
                problems
                    .extend(schema::problems(&entry.schema, &body).into_iter().map(|it| format!("{}{it}", entry.name)));
                checked += 1;
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(checked > 80, "{checked}");
}

#[test]
fn a_body_that_is_not_of_its_type_is_noticed() {
    let entry = entries(&[], "").find(|entry| entry.name == "session.revoked").unwrap();
    let bad = serde_json::json!({
        "type": "session.expired", "timestamp": "yesterday", "id": 7, "data": { "session": { "amr": "pwd" }, "other": 1 },
    });
    assert_eq!(schema::problems(&entry.schema, &bad).len(), 6, "{:#?}", schema::problems(&entry.schema, &bad));
}

/// The fields that endpoints with the profile `ids` get, as paths.
fn paths(kept: &Kept, path: &str, found: &mut BTreeSet<String>) {
    match kept {
        Kept::Whole => drop(found.insert(path.to_owned())),
        Kept::Fields(fields) => fields.iter().for_each(|(name, kept)| paths(kept, &format!("{path}.{name}"), found)),
    }
}

#[test]
fn the_profile_ids_has_ids_and_names_and_nothing_else() {
    let mut found = BTreeSet::new();
    for entry in entries(&[], "") {
        paths(kept(entry.name), "", &mut found);
    }
    let found: Vec<_> = found.into_iter().collect();
    insta::assert_snapshot!(found.join("\n"), @r"
    .algorithm
    .amr
    .api_key_id
    .application_id
    .attempts
    .changed_fields
    .cutoff_revision
    .delivery_id
    .disabled_at
    .endpoint_id
    .event_id
    .failing_since
    .key_id
    .last_status_code
    .last_verdict
    .reason
    .session.amr
    .session.application_id
    .session.end_reason
    .session.id
    .session.kind
    .session.parent_id
    .session.state
    .session.tenant_id
    .session.user_id
    .session_id
    .successor_key_id
    .user_id
    .warning
    ");
}
