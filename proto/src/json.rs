//! The JSON form of messages: field names as in the `.proto` files, times as RFC 3339, enums by name.

use prost::Name;
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::Value;

/// Returns `message` as JSON. Fields at their default are left out, except enums and booleans that carry meaning by
/// being present in the message's own text form.
pub fn to_value<M: Name>(message: &M) -> Result<Value, JsonError> {
    let descriptor = crate::descriptor::pool()
        .get_message_by_name(&M::full_name())
        .ok_or_else(|| JsonError::Unknown(M::full_name()))?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())?;
    let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    Ok(dynamic.serialize_with_options(serde_json::value::Serializer, &options)?)
}

/// Why a message has no JSON form.
#[derive(Debug)]
pub enum JsonError {
    /// The message is not part of the contract.
    Unknown(String),
    /// The descriptors do not fit the message.
    Decode(prost::DecodeError),
    /// A value cannot be written as JSON.
    Write(serde_json::Error),
}

impl std::fmt::Display for JsonError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "{name} is not part of the contract"),
            Self::Decode(_) => f.write_str("descriptors do not fit the message"),
            Self::Write(_) => f.write_str("a value cannot be written as JSON"),
        }
    }
}

impl std::error::Error for JsonError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unknown(_) => None,
            Self::Decode(error) => Some(error),
            Self::Write(error) => Some(error),
        }
    }
}

impl From<prost::DecodeError> for JsonError {
    fn from(error: prost::DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        Self::Write(error)
    }
}
