//! Entries of the outbox: an event, and what is needed to send it. One field in all, because each one costs the commit that
//! writes it.

use bytes::Bytes;
use prost::Message as _;
use svc_kit::{
    bus::{Message, routing_key},
    telemetry::TraceContext,
};

use crate::{
    contract::event,
    domain::{event::Event, id::Shard, revision::Revision},
    ports::StoreError,
};

#[derive(Clone, PartialEq, prost::Message)]
struct Entry {
    #[prost(bytes = "bytes", tag = "1")]
    event: Bytes,
    #[prost(string, tag = "2")]
    kind: String,
    #[prost(string, tag = "3")]
    traceparent: String,
    #[prost(string, tag = "4")]
    tracestate: String,
}

/// Encodes an event, caused by a trace.
pub(super) fn encode(event: &Event, trace: &TraceContext) -> Vec<u8> {
    let (traceparent, tracestate) = (trace.traceparent.clone(), trace.tracestate.clone());
    Entry { event: event::encode(event), kind: event::type_of(event).to_owned(), traceparent, tracestate }
        .encode_to_vec()
}

/// Decodes the entry at a position.
pub(super) fn decode(
    deployment: &str,
    shard: Shard,
    position: Revision,
    entry: Vec<u8>,
) -> Result<Message, StoreError> {
    let entry = Entry::decode(Bytes::from(entry)).map_err(|_| StoreError::Unreadable("an entry of the outbox"))?;
    let id = event::id(deployment, shard, position);
    Ok(Message {
        body: event::with_id(&entry.event, &id),
        routing_key: routing_key(shard.0, &entry.kind),
        id,
        trace: TraceContext { traceparent: entry.traceparent, tracestate: entry.tracestate },
    })
}
