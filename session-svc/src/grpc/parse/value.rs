//! The values of requests: their form and their bounds.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    net::IpAddr,
    time::Duration,
};

use proto::session::v1 as pb;
use svc_kit::{access::Caller, clock::Timestamp};

use super::{super::field, Parsed};
use crate::{
    app::{RequestHash, validate::Presented},
    contract::session as names,
    domain::{
        device::Device,
        id::{ApplicationId, SessionId, UserId},
        token::PresentedToken,
    },
    ports::IdempotencyKey,
};

const TOKEN_BYTES_MAX: usize = 512;
const KEY_BYTES_MAX: usize = 128;
pub(super) const DEVICE_NAME_BYTES_MAX: usize = 128;
const ATTRIBUTES_MAX: usize = 32;
const ATTRIBUTE_KEY_BYTES_MAX: usize = 64;
const ATTRIBUTES_BYTES_MAX: usize = 4096;

pub(in crate::grpc) fn session_id(path: &str, text: &str) -> Parsed<SessionId> {
    SessionId::parse(text).map_err(|error| field(path, error))
}

pub(super) fn text(path: &str, value: &str, bytes_max: usize) -> Parsed<String> {
    if value.len() > bytes_max {
        return Err(field(path, format!("must not be longer than {bytes_max} bytes")));
    }
    if value.chars().any(char::is_control) {
        return Err(field(path, "must not have control characters"));
    }
    Ok(value.to_owned())
}

pub(super) fn texts(path: &str, values: &[String], count_max: usize, bytes_max: usize) -> Parsed<Vec<String>> {
    if values.len() > count_max {
        return Err(field(path, format!("must not have more than {count_max} values")));
    }
    let one = |value: &String| {
        if value.is_empty() { Err(field(path, "must not have empty values")) } else { text(path, value, bytes_max) }
    };
    values.iter().map(one).collect()
}

pub(super) fn ip_address(path: &str, value: &str) -> Parsed<String> {
    if value.is_empty() {
        return Ok(String::new());
    }
    let address: IpAddr = value.parse().map_err(|_| field(path, "must be an IP address"))?;
    Ok(address.to_canonical().to_string())
}

pub(super) fn moment(path: &str, value: Option<&prost_types::Timestamp>) -> Parsed<Option<Timestamp>> {
    value.map(Timestamp::from_proto).transpose().map_err(|error| field(path, error))
}

pub(super) fn limit(path: &str, value: Option<&prost_types::Duration>) -> Parsed<Duration> {
    let Some(value) = value else { return Ok(Duration::ZERO) };
    let problem = || field(path, "must be a duration of at least a second, or zero");
    // Checked before the conversion, which panics where it cannot negate.
    if value.seconds < 0 || value.nanos < 0 {
        return Err(problem());
    }
    let duration = Duration::try_from(*value).map_err(|_| problem())?;
    if !duration.is_zero() && duration < Duration::from_secs(1) { Err(problem()) } else { Ok(duration) }
}

pub(super) fn idempotency(
    caller: &Caller,
    scope: &impl fmt::Display,
    key: &str,
    request: &[u8],
) -> Parsed<Option<(IdempotencyKey, RequestHash)>> {
    if key.is_empty() {
        return Ok(None);
    }
    let key = text("idempotency_key", key, KEY_BYTES_MAX)?;
    Ok(Some((IdempotencyKey::within(scope, &key), RequestHash::of(caller, request))))
}

pub(super) fn user(path: &str, value: &str) -> Parsed<UserId> {
    UserId::parse(value).map_err(|error| field(path, error))
}

pub(super) fn application(path: &str, value: &str) -> Parsed<Option<ApplicationId>> {
    if value.is_empty() {
        return Ok(None);
    }
    ApplicationId::parse(value).map(Some).map_err(|error| field(path, error))
}

pub(super) fn device(device: Option<&pb::Device>) -> Parsed<Device> {
    let Some(device) = device else { return Ok(Device::default()) };
    let ip_address = ip_address("device.ip_address", &device.ip_address)?;
    if !device.last_ip_address.is_empty() {
        return Err(field("device.last_ip_address", "is set by the service"));
    }
    Ok(Device {
        name: text("device.name", &device.name, DEVICE_NAME_BYTES_MAX)?,
        kind: names::device_type_from(device.r#type).ok_or_else(|| field("device.type", "is not a known type"))?,
        description: text("device.description", &device.description, 256)?,
        user_agent: text("device.user_agent", &device.user_agent, 512)?,
        last_ip_address: ip_address.clone(),
        ip_address,
    })
}

pub(super) fn attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Parsed<BTreeMap<String, String>> {
    let attributes: BTreeMap<String, String> =
        attributes.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    let bytes: usize = attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
    let is_key = |key: &String| (1..=ATTRIBUTE_KEY_BYTES_MAX).contains(&key.len());
    if attributes.len() > ATTRIBUTES_MAX || bytes > ATTRIBUTES_BYTES_MAX || !attributes.keys().all(is_key) {
        return Err(field("attributes", "must be at most 32 entries, keys of 1 to 64 bytes, 4096 bytes in all"));
    }
    Ok(attributes)
}

/// A request in a form that does not depend on the order of its attributes.
pub(super) fn canonical<M: prost::Message>(attributes: &HashMap<String, String>, rest: &M) -> Vec<u8> {
    let sorted: BTreeMap<_, _> = attributes.iter().collect();
    [rest.encode_to_vec(), format!("{sorted:?}").into_bytes()].concat()
}

pub(super) fn token(path: &str, value: &str) -> Parsed<Option<PresentedToken>> {
    if value.is_empty() {
        return Err(field(path, "must be given"));
    }
    if value.len() > TOKEN_BYTES_MAX {
        return Err(field(path, format!("must not be longer than {TOKEN_BYTES_MAX} bytes")));
    }
    Ok(PresentedToken::parse(value).ok())
}

pub(super) fn presented_token(value: &str) -> Parsed<Presented> {
    Ok(token("token", value)?.map_or(Presented::Nonsense, Presented::Token))
}
