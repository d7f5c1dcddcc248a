//! Wrong, oversized and strange values in every field of every RPC: always an answer or a refusal with a stable reason.
//!
//! The fields are taken from the contract. Each is spoilt in a request that would be accepted otherwise, so that the value
//! gets as far as it can.

use std::collections::HashMap;

use bytes::Bytes;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, MethodDescriptor, Value};
use proto::descriptor::{methods, path};
use tonic::{Code, Status};

use crate::support::{OPERATOR_KEY, Objects, Stack, reason_of};

/// How deep messages within messages are spoilt: `application.redirect_uris`, `filter.created_after.seconds`.
const DEPTH_MAX: usize = 3;
/// More entries than any list may have.
const ENTRIES: usize = 5_000;

/// Codes that tell the caller that the caller is wrong.
const CALLERS_FAULT: [Code; 7] = [
    Code::InvalidArgument,
    Code::NotFound,
    Code::AlreadyExists,
    Code::FailedPrecondition,
    Code::Unauthenticated,
    Code::PermissionDenied,
    Code::ResourceExhausted,
];

fn texts() -> Vec<String> {
    let mut texts: Vec<String> =
        ["\0", "a\nb", "\u{202e}abc", "' OR 1=1 --", "../../etc/passwd", "🦀", " ", "%00%ff", "*"]
            .map(str::to_owned)
            .into();
    texts.push("a".repeat(70_000));
    texts.push("é".repeat(10_000));
    texts
}

fn wrong(kind: &Kind) -> Vec<Value> {
    match kind {
        Kind::String => texts().into_iter().map(Value::String).collect(),
        Kind::Bytes => vec![Value::Bytes(Bytes::from(vec![0xff; 70_000]))],
        Kind::Bool => vec![Value::Bool(true)],
        Kind::Enum(_) => [-1, 99, i32::MAX, i32::MIN].map(Value::EnumNumber).into(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => [-1, 1, i32::MIN, i32::MAX].map(Value::I32).into(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            [-1, 1, i64::MIN, i64::MAX, 253_402_300_800, -62_135_596_801].map(Value::I64).into()
        }
        Kind::Uint32 | Kind::Fixed32 => vec![Value::U32(u32::MAX)],
        Kind::Uint64 | Kind::Fixed64 => vec![Value::U64(u64::MAX)],
        Kind::Double => vec![Value::F64(f64::NAN)],
        Kind::Float => vec![Value::F32(f32::NAN)],
        Kind::Message(message) => vec![Value::Message(DynamicMessage::new(message.clone()))],
    }
}

/// Values to put into a field, in the place of what is there.
fn spoilt(field: &FieldDescriptor, now: &Value, depth: usize) -> Vec<Value> {
    let kind = field.kind();
    if field.is_map() {
        let many = (0..ENTRIES).map(|number| (MapKey::String(number.to_string()), Value::String("v".to_owned())));
        let entry = |key: String, value: &str| {
            Value::Map(HashMap::from([(MapKey::String(key), Value::String(value.to_owned()))]))
        };
        let keys = texts().into_iter().map(|text| entry(text, "v"));
        return keys.chain([entry("key".to_owned(), &"v".repeat(70_000)), Value::Map(many.collect())]).collect();
    }
    if field.is_list() {
        let mut lists: Vec<Value> = wrong(&kind).into_iter().map(|value| Value::List(vec![value])).collect();
        let usual = if matches!(kind, Kind::String) { Value::String("a".to_owned()) } else { wrong(&kind).remove(0) };
        lists.push(Value::List(vec![usual; ENTRIES]));
        return lists;
    }
    let mut values = wrong(&kind);
    if let (Kind::Message(inner), Value::Message(now)) = (&kind, now)
        && depth < DEPTH_MAX
    {
        values.extend(variants(inner, now, depth + 1).into_iter().map(|(_, message)| Value::Message(message)));
    }
    values
}

/// Messages in each of which one field is spoilt.
fn variants(descriptor: &MessageDescriptor, good: &DynamicMessage, depth: usize) -> Vec<(String, DynamicMessage)> {
    let mut variants = Vec::new();
    for field in descriptor.fields() {
        for value in spoilt(&field, &good.get_field(&field), depth) {
            let mut message = good.clone();
            message.set_field(&field, value);
            variants.push((field.name().to_owned(), message));
        }
        let mut without = good.clone();
        without.clear_field(&field);
        variants.push((field.name().to_owned(), without));
    }
    variants
}

fn problem(method: &MethodDescriptor, what: &str, answer: Result<DynamicMessage, Status>) -> Option<String> {
    let status = answer.err()?;
    let reason = reason_of(&status);
    let is_stable = reason.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let is_fine = is_stable && CALLERS_FAULT.contains(&status.code());
    (!is_fine).then(|| format!("{} {what}: {:?} {reason}: {}", path(method), status.code(), status.message()))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_of_any_field_breaks_a_service() {
    let stack = Stack::in_memory().await;
    let mut problems = Vec::new();
    let mut calls = 0;
    for method in methods() {
        let client = stack.client_of(&method);
        // A tenant of their own, because a request that lost a part may be about the whole of it.
        let objects = Objects::create_apart(&stack).await;
        let good = objects.request(&method);
        for (field, message) in variants(&method.input(), &good, 1) {
            calls += 1;
            problems.extend(problem(&method, &field, client.call(&method, Some(OPERATOR_KEY), &message).await));
        }
        let last =
            client.call(&method, Some(OPERATOR_KEY), &Objects::create_apart(&stack).await.request(&method)).await;
        // Nobody has consented to anything: that takes a browser.
        let is_answered = last.as_ref().map_or_else(|status| reason_of(status) == "CONSENT_NOT_FOUND", |_| true);
        assert!(is_answered, "{}: {last:?}", path(&method));
    }
    assert!(problems.is_empty(), "{} of {calls} calls:\n{}", problems.len(), problems.join("\n"));
    assert!(calls > 1_000, "{calls} calls are too few to be all fields");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bytes_break_a_service() {
    let stack = Stack::in_memory().await;
    let own = stack.token_of("default", "demo-backend").await;
    let bodies: [(&str, Bytes); 5] = [
        ("cut off", Bytes::from_static(&[0x0a, 0x7f, b'x'])),
        ("no protobuf", Bytes::from_static(b"\xff\xff\xff\xff\xff\xff")),
        ("text that is not UTF-8", Bytes::from_static(&[0x0a, 0x02, 0xc3, 0x28])),
        ("a group", Bytes::from_static(&[0x0b, 0x0b, 0x0b])),
        ("too large", Bytes::from(vec![0; 5 * 1024 * 1024])),
    ];
    let mut problems = Vec::new();
    for method in methods() {
        for (what, body) in &bodies {
            for credential in [OPERATOR_KEY, &own] {
                let answer = stack.client_of(&method).call_bytes(&method, Some(credential), body.clone()).await;
                if answer.is_ok() {
                    problems.push(format!("{} {what}: answered", path(&method)));
                }
                problems.extend(problem(&method, what, answer));
            }
        }
    }
    assert!(problems.is_empty(), "{}:\n{}", problems.len(), problems.join("\n"));
}
