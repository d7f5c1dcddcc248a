//! What requests say about the requests to an endpoint.

use std::time::Duration;

use proto::webhook::v1 as pb;

use super::{Parsed, field};
use crate::domain::{
    headers::{HeaderName, NewHeader, check},
    payload::Profile,
    schedule::Schedule,
    signature::Scheme,
    signing::{OVERLAP, OVERLAP_MAX},
};

pub(in crate::grpc) fn scheme(path: &str, scheme: i32) -> Parsed<Scheme> {
    match pb::SignatureScheme::try_from(scheme) {
        Ok(pb::SignatureScheme::Unspecified | pb::SignatureScheme::HmacSha256) => Ok(Scheme::Hmac),
        Ok(pb::SignatureScheme::Ed25519) => Ok(Scheme::Ed25519),
        Ok(pb::SignatureScheme::Both) => Ok(Scheme::Both),
        Err(_) => Err(field(path, "is not a known scheme")),
    }
}

pub(in crate::grpc) fn profile(path: &str, profile: i32) -> Parsed<Profile> {
    match pb::PayloadProfile::try_from(profile) {
        Ok(pb::PayloadProfile::Unspecified | pb::PayloadProfile::Full) => Ok(Profile::Full),
        Ok(pb::PayloadProfile::Ids) => Ok(Profile::Ids),
        Err(_) => Err(field(path, "is not a known profile")),
    }
}

pub(in crate::grpc) fn headers(path: &str, headers: Vec<pb::EndpointHeader>) -> Parsed<Vec<NewHeader>> {
    let parse = |pb::EndpointHeader { name, value, secret }: pb::EndpointHeader| {
        let name = HeaderName::parse(&name).map_err(|error| field(path, error.to_string()))?;
        Ok(NewHeader { name, value, is_secret: secret })
    };
    let headers: Vec<NewHeader> = headers.into_iter().map(parse).collect::<Parsed<_>>()?;
    check(&headers).map_err(|error| field(path, error.to_string()))?;
    Ok(headers)
}

/// Pauses, or none: then the usual ones hold.
pub(in crate::grpc) fn schedule(path: &str, pauses: &[prost_types::Duration]) -> Parsed<Option<Schedule>> {
    if pauses.is_empty() {
        return Ok(None);
    }
    let pauses: Option<Vec<Duration>> = pauses.iter().map(span).collect();
    let schedule = Schedule::new(pauses.unwrap_or_default()).map_err(|error| field(path, error.to_string()))?;
    Ok(Some(schedule))
}

/// How long what signed before signs too.
pub(in crate::grpc) fn overlap(overlap: Option<&prost_types::Duration>) -> Parsed<Duration> {
    let Some(overlap) = overlap else { return Ok(OVERLAP) };
    let overlap = span(overlap).filter(|overlap| *overlap <= OVERLAP_MAX);
    overlap.ok_or_else(|| field("overlap", "must be 0 to 7 days"))
}

/// A duration that is not negative. The conversion of the library panics where it cannot negate.
fn span(duration: &prost_types::Duration) -> Option<Duration> {
    let nanos = u32::try_from(duration.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(u64::try_from(duration.seconds).ok()?, nanos))
}
