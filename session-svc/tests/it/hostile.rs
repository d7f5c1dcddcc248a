//! Every field of every request, one hostile value at a time: an answer or a refusal with a reason, never a fault of ours.

use std::time::Duration;

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, Value, prost::Message as _,
};
use svc_kit::error::reason_of;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::Channel,
};

use crate::support::*;

on_each_store!(hostile_values_are_refused_with_a_reason);

/// Far below the deadline of the server: a refusal is quick.
const QUICK: Duration = Duration::from_secs(1);

async fn hostile_values_are_refused_with_a_reason(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, sso(USER)).await;
    let channel = svc_kit::client::channel(&format!("http://{}", service.running.grpc_addr), QUICK).unwrap();
    let methods = proto::descriptor::methods();
    let methods: Vec<MethodDescriptor> =
        methods.filter(|method| method.full_name().starts_with("latchkey.session.")).collect();
    assert!(methods.len() >= 7);
    for method in methods {
        for (what, body) in hostile_requests(&method.input(), &session.id) {
            let result = call(channel.clone(), &method, body).await;
            if let Err(status) = result {
                let is_ours = [
                    Code::InvalidArgument,
                    Code::NotFound,
                    Code::Unauthenticated,
                    Code::FailedPrecondition,
                    Code::AlreadyExists,
                    Code::Aborted,
                ];
                assert!(is_ours.contains(&status.code()), "{} {what}: {status:?}", method.name());
                assert!(reason_of(&status).is_some(), "{} {what}: no reason", method.name());
            }
        }
        let garbage = call(channel.clone(), &method, vec![0xff; 64]).await.unwrap_err();
        assert_ne!(garbage.code(), Code::Unknown, "{}", method.name());
        let huge = call(channel.clone(), &method, vec![0; 5 * 1024 * 1024]).await.unwrap_err();
        assert!([Code::OutOfRange, Code::ResourceExhausted].contains(&huge.code()), "{}: {huge:?}", method.name());
    }
    assert!(is_active(&mut client, &session.id).await, "nothing of this touched a stranger");
}

/// Requests that are good as far as we can guess, each with one field spoilt.
fn hostile_requests(input: &MessageDescriptor, session: &str) -> Vec<(String, Vec<u8>)> {
    let mut requests = Vec::new();
    for path in paths(input, 3) {
        let leaf = path.last().unwrap();
        for value in hostile_values(leaf) {
            let mut message = plausible(input, session);
            let what = format!("{} = {}", leaf.full_name(), format!("{value:?}").chars().take(60).collect::<String>());
            set(&mut message, &path, value);
            requests.push((what, message.encode_to_vec()));
        }
    }
    requests
}

fn paths(message: &MessageDescriptor, depth: usize) -> Vec<Vec<FieldDescriptor>> {
    let mut found = Vec::new();
    for field in message.fields() {
        match field.kind() {
            Kind::Message(inner) if !field.is_list() && !field.is_map() && depth > 0 => {
                for mut rest in paths(&inner, depth - 1) {
                    rest.insert(0, field.clone());
                    found.push(rest);
                }
            }
            _ => found.push(vec![field]),
        }
    }
    found
}

fn set(message: &mut DynamicMessage, path: &[FieldDescriptor], value: Value) {
    match path {
        [field] => message.set_field(field, value),
        [field, rest @ ..] => {
            let Value::Message(inner) = message.get_field_mut(field) else { panic!("{} is a message", field.name()) };
            set(inner, rest, value);
        }
        [] => unreachable!("a path has a field"),
    }
}

fn hostile_values(field: &FieldDescriptor) -> Vec<Value> {
    if field.is_map() {
        let text = |text: String| (prost_reflect::MapKey::String(text.clone()), Value::String(text));
        // Every map of the contract is of texts.
        return vec![Value::Map([text("x".repeat(300_000)), text(String::new())].into_iter().collect())];
    }
    let scalars = match field.kind() {
        Kind::String => {
            let texts =
                ["", " ", "\u{0}", "a\r\nb", "../../etc", "{}", "*", "ä€😀\u{202e}", "sess_", "lkr_", "-1", "NaN"];
            let long = ["x".repeat(1_000_000), "é".repeat(600)];
            texts.iter().map(|text| Value::String((*text).to_owned())).chain(long.map(Value::String)).collect()
        }
        Kind::Enum(_) => [-1, 99, i32::MAX].map(Value::EnumNumber).to_vec(),
        Kind::Int32 => [-1, i32::MIN, i32::MAX].map(Value::I32).to_vec(),
        Kind::Int64 => [-1, i64::MIN, i64::MAX].map(Value::I64).to_vec(),
        Kind::Uint32 => vec![Value::U32(u32::MAX)],
        Kind::Uint64 => vec![Value::U64(u64::MAX)],
        Kind::Bool => vec![Value::Bool(true)],
        _ => vec![],
    };
    if field.is_list() {
        let many = scalars.first().cloned().map(|value| Value::List(vec![value; 10_000]));
        return scalars.into_iter().map(|value| Value::List(vec![value])).chain(many).collect();
    }
    scalars
}

/// Fills the fields that every request of a kind needs, so that the spoilt one is reached.
fn plausible(input: &MessageDescriptor, session: &str) -> DynamicMessage {
    let mut message = DynamicMessage::new(input.clone());
    for field in input.fields() {
        let value = match (field.name(), field.kind()) {
            ("tenant_id", _) => Value::String("hostile".to_owned()),
            ("user_id", _) => Value::String("mallory".to_owned()),
            ("kind", _) => Value::EnumNumber(1),
            // Not the real one: what is spoilt must not reach it.
            ("session_id", _) => {
                let (head, last) = session.split_at(session.len() - 1);
                Value::String(format!("{head}{}", if last == "a" { "i" } else { "a" }))
            }
            ("filter" | "scope" | "policy", Kind::Message(inner)) => Value::Message(plausible(&inner, session)),
            _ => continue,
        };
        message.set_field(&field, value);
    }
    message
}

async fn call(channel: Channel, method: &MethodDescriptor, body: Vec<u8>) -> Result<Vec<u8>, Status> {
    let mut grpc = Grpc::new(channel).max_encoding_message_size(16 * 1024 * 1024);
    grpc.ready().await.unwrap();
    let path: PathAndQuery = proto::descriptor::path(method).parse().unwrap();
    let mut request = Request::new(body);
    request.metadata_mut().insert("authorization", "Bearer dev-operator-key".parse().unwrap());
    grpc.unary(request, path, Bytes).await.map(tonic::Response::into_inner)
}

/// Sends and receives messages as they are.
#[derive(Clone, Copy, Default)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let length = bytes::Buf::remaining(buffer);
        Ok(Some(bytes::Buf::copy_to_bytes(buffer, length).to_vec()))
    }
}
