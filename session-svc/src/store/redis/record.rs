//! The stored forms: records of sessions and of cutoffs.
//!
//! A record is `created revision (12) ‖ sequence (4) ‖ next look (6) ‖ protobuf`. It does not repeat the id, which the key says; it
//! does say whose it is, because it is found by id alone, and when it is looked at next, because that is where the index of looks
//! has it. What nearly every record says has a [short form](super::short).

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use prost::Message;
use svc_kit::clock::Timestamp;

use super::{pages, short};
use crate::{
    contract::session as names,
    domain::{
        cutoff::{Cutoff, Scope},
        device::Device,
        end::End,
        id::{ApplicationId, Owner, SessionId, TenantId, UserId},
        policy::Caps,
        revision::Revision,
        session::{RefreshMode, Session, Stored, TokenState},
        times::Times,
    },
    ports::{Answer, Cut, Read, Snapshot, StoreError},
};

/// Where the next look is.
const LOOK: Range<usize> = Revision::BYTES + 4..HEADER;
const HEADER: usize = Revision::BYTES + 4 + pages::TIME_BYTES;

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(string, tag = "1")]
    tenant: String,
    #[prost(string, tag = "2")]
    user: String,
    #[prost(string, tag = "3")]
    application: String,
    #[prost(int32, tag = "4")]
    kind: i32,
    #[prost(bytes = "vec", tag = "5")]
    parent: Vec<u8>,
    #[prost(bool, tag = "6")]
    survives_parent: bool,
    #[prost(bool, tag = "7")]
    keep_signed_in: bool,
    #[prost(int64, tag = "8")]
    created_at: i64,
    /// Relative to creation, as all times below: small numbers are short.
    #[prost(sint64, tag = "9")]
    authenticated_after: i64,
    #[prost(int64, tag = "10")]
    last_active_after: i64,
    #[prost(uint64, tag = "11")]
    idle_timeout_ms: u64,
    #[prost(uint64, tag = "12")]
    absolute_lifetime_ms: u64,
    #[prost(string, repeated, tag = "13")]
    amr: Vec<String>,
    #[prost(string, tag = "14")]
    acr: String,
    #[prost(string, repeated, tag = "15")]
    scopes: Vec<String>,
    #[prost(message, optional, tag = "16")]
    device: Option<DeviceRecord>,
    #[prost(btree_map = "string, string", tag = "17")]
    attributes: BTreeMap<String, String>,
    #[prost(bool, tag = "18")]
    is_reusable: bool,
    #[prost(uint32, tag = "19")]
    generation: u32,
    #[prost(bytes = "vec", tag = "20")]
    salt: Vec<u8>,
    #[prost(int64, tag = "21")]
    rotated_after: i64,
    #[prost(bool, tag = "22")]
    confirmed: bool,
    #[prost(uint32, tag = "23")]
    replays: u32,
    #[prost(message, optional, tag = "24")]
    end: Option<EndRecord>,
    #[prost(uint32, tag = "25")]
    births: u32,
    #[prost(sint64, tag = "26")]
    limits_after: i64,
    #[prost(uint64, tag = "27")]
    wish_idle_timeout_ms: u64,
    #[prost(uint64, tag = "28")]
    wish_absolute_lifetime_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
struct DeviceRecord {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int32, tag = "2")]
    kind: i32,
    #[prost(string, tag = "3")]
    description: String,
    #[prost(string, tag = "4")]
    user_agent: String,
    #[prost(bytes = "vec", tag = "5")]
    ip_address: Vec<u8>,
    /// Nothing where it is the same.
    #[prost(bytes = "vec", optional, tag = "6")]
    last_ip_address: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct EndRecord {
    #[prost(int64, tag = "1")]
    at: i64,
    #[prost(int32, tag = "2")]
    reason: i32,
    #[prost(string, tag = "3")]
    comment: String,
    #[prost(string, tag = "4")]
    by: String,
}

/// An end, and whether the scope is closed.
#[derive(Clone, PartialEq, Message)]
struct CutoffRecord {
    #[prost(int64, tag = "1")]
    at: i64,
    #[prost(int32, tag = "2")]
    reason: i32,
    #[prost(string, tag = "3")]
    comment: String,
    #[prost(string, tag = "4")]
    by: String,
    #[prost(bool, tag = "5")]
    is_closed: bool,
    #[prost(message, repeated, tag = "6")]
    earlier: Vec<EarlierRecord>,
}

/// A cutoff that a later one replaced.
#[derive(Clone, PartialEq, Message)]
struct EarlierRecord {
    #[prost(bytes = "vec", tag = "1")]
    revision: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    end: Option<EndRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeRecord {
    #[prost(string, tag = "1")]
    tenant: String,
    #[prost(string, tag = "2")]
    user: String,
    #[prost(string, tag = "3")]
    application: String,
    #[prost(bytes = "vec", tag = "4")]
    session: Vec<u8>,
}

/// Encodes a session that is looked at next at this moment, without the revision, which the commit script writes.
pub(super) fn encode(stored: &Stored, look: Timestamp) -> Vec<u8> {
    let session = &stored.session;
    let after = |moment: Timestamp| moment.as_ms() - session.created_at.as_ms();
    let device = &session.device;
    let record = Record {
        tenant: session.owner.tenant.to_string(),
        user: session.owner.user.to_string(),
        application: session.application.as_ref().map(ToString::to_string).unwrap_or_default(),
        kind: names::kind(session.kind).into(),
        parent: session.parent.map(|id| id.to_bytes().to_vec()).unwrap_or_default(),
        survives_parent: session.survives_parent,
        keep_signed_in: session.keep_signed_in,
        created_at: session.created_at.as_ms(),
        authenticated_after: after(session.authenticated_at),
        last_active_after: after(session.last_active_at),
        idle_timeout_ms: ms(session.times.idle_timeout),
        absolute_lifetime_ms: ms(session.times.absolute_lifetime),
        amr: short::words(&session.amr),
        acr: session.acr.clone(),
        scopes: short::words(&session.scopes),
        device: (*device != Device::default()).then(|| DeviceRecord {
            name: device.name.clone(),
            kind: names::device_type(device.kind).into(),
            description: device.description.clone(),
            user_agent: device.user_agent.clone(),
            ip_address: short::address(&device.ip_address),
            last_ip_address: (device.last_ip_address != device.ip_address)
                .then(|| short::address(&device.last_ip_address)),
        }),
        attributes: session.attributes.clone(),
        is_reusable: session.token.mode == RefreshMode::Reusable,
        generation: session.token.generation,
        salt: session.token.salt.to_vec(),
        rotated_after: after(session.token.rotated_at),
        confirmed: session.token.confirmed,
        replays: session.token.replays,
        end: session.end.as_ref().map(end_record),
        births: stored.births,
        limits_after: after(session.limits_since),
        wish_idle_timeout_ms: ms(session.wish.idle_timeout),
        wish_absolute_lifetime_ms: ms(session.wish.absolute_lifetime),
    };
    let mut value = Vec::with_capacity(HEADER - Revision::BYTES + record.encoded_len());
    value.extend(stored.sequence.to_be_bytes());
    value.extend(pages::time(look));
    // A vector grows as it is needed.
    let _ = record.encode(&mut value);
    value
}

/// The next look that a stored record tells of.
pub(super) fn look(value: &[u8]) -> Option<Timestamp> {
    Some(pages::time_of(*value.get(LOOK)?.first_chunk()?))
}

/// Decodes a whole value, as it was read.
pub(super) fn decode(id: SessionId, value: Vec<u8>) -> Result<Read, StoreError> {
    let value = Bytes::from(value);
    let record = value.get(HEADER..).and_then(|body| Record::decode(body).ok());
    let births = record.as_ref().map_or(0, |record| record.births);
    let session = record.and_then(|record| session_of(id, record));
    let created = value.get(..Revision::BYTES).and_then(Revision::from_bytes);
    let sequence =
        value.get(Revision::BYTES..LOOK.start).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    let (Some(session), Some(created), Some(sequence)) = (session, created, sequence) else {
        return Err(StoreError::Unreadable("a session's record"));
    };
    Ok(Read { stored: Stored { session: Arc::new(session), created, sequence, births }, snapshot: Snapshot(value) })
}

fn session_of(id: SessionId, record: Record) -> Option<Session> {
    let after = |ms: i64| Timestamp::from_ms(record.created_at + ms);
    let device = record.device.unwrap_or_default();
    let ip_address = short::full_address(&device.ip_address)?;
    Some(Session {
        id,
        owner: Owner { tenant: TenantId::parse(record.tenant).ok()?, user: UserId::parse(record.user).ok()? },
        application: application(record.application)?,
        kind: names::kind_from(record.kind)?,
        parent: SessionId::from_bytes(&record.parent),
        survives_parent: record.survives_parent,
        keep_signed_in: record.keep_signed_in,
        created_at: after(0),
        authenticated_at: after(record.authenticated_after),
        last_active_at: after(record.last_active_after),
        times: times(record.idle_timeout_ms, record.absolute_lifetime_ms),
        limits_since: after(record.limits_after),
        wish: times(record.wish_idle_timeout_ms, record.wish_absolute_lifetime_ms),
        caps: Caps::default(),
        amr: short::full_words(record.amr)?,
        acr: record.acr,
        scopes: short::full_words(record.scopes)?,
        device: Device {
            name: device.name,
            kind: names::device_type_from(device.kind)?,
            description: device.description,
            user_agent: device.user_agent,
            last_ip_address: match device.last_ip_address {
                Some(last) => short::full_address(&last)?,
                None => ip_address.clone(),
            },
            ip_address,
        },
        attributes: record.attributes,
        token: TokenState {
            mode: if record.is_reusable { RefreshMode::Reusable } else { RefreshMode::Rotate },
            generation: record.generation,
            salt: record.salt.try_into().ok()?,
            rotated_at: after(record.rotated_after),
            confirmed: record.confirmed,
            replays: record.replays,
        },
        end: match record.end {
            Some(end) => Some(end_of(end)?),
            None => None,
        },
    })
}

fn times(idle_timeout_ms: u64, absolute_lifetime_ms: u64) -> Times {
    Times {
        idle_timeout: Duration::from_millis(idle_timeout_ms),
        absolute_lifetime: Duration::from_millis(absolute_lifetime_ms),
    }
}

fn end_record(end: &End) -> EndRecord {
    let reason = names::reason(end.reason).into();
    EndRecord { at: end.at.as_ms(), reason, comment: end.comment.clone(), by: end.by.clone() }
}

fn end_of(record: EndRecord) -> Option<End> {
    let reason = names::reason_from(record.reason)?;
    Some(End { at: Timestamp::from_ms(record.at), reason, comment: record.comment, by: record.by })
}

fn application(text: String) -> Option<Option<ApplicationId>> {
    if text.is_empty() { Some(None) } else { ApplicationId::parse(text).ok().map(Some) }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Encodes a cutoff, without its revision, which the commit script writes.
pub(super) fn encode_cutoff(cut: &Cut) -> Vec<u8> {
    let EndRecord { at, reason, comment, by } = end_record(&cut.end);
    let earlier = cut
        .earlier
        .iter()
        .map(|(revision, end)| EarlierRecord { revision: revision.to_bytes().to_vec(), end: Some(end_record(end)) });
    CutoffRecord { at, reason, comment, by, is_closed: cut.is_closed, earlier: earlier.collect() }.encode_to_vec()
}

/// Decodes a cutoff.
pub(super) fn decode_cutoff(value: &[u8]) -> Result<Cutoff, StoreError> {
    let unreadable = || StoreError::Unreadable("a cutoff");
    let (revision, record) = value.split_at_checked(Revision::BYTES).ok_or_else(unreadable)?;
    let revision = Revision::from_bytes(revision).ok_or_else(unreadable)?;
    let record = CutoffRecord::decode(record).map_err(|_| unreadable())?;
    let CutoffRecord { at, reason, comment, by, is_closed, earlier } = record;
    let end = end_of(EndRecord { at, reason, comment, by }).ok_or_else(unreadable)?;
    let earlier = earlier
        .into_iter()
        .map(|EarlierRecord { revision, end }| Some((Revision::from_bytes(&revision)?, end_of(end?)?)));
    let earlier = earlier.collect::<Option<_>>().ok_or_else(unreadable)?;
    Ok(Cutoff { revision, end, is_closed, earlier })
}

/// Decodes the answer of an idempotency key, as the commit script writes it: position and JSON.
pub(super) fn decode_answer(value: &[u8]) -> Result<Answer, StoreError> {
    let parts = value.split_at_checked(Revision::BYTES);
    let answer = parts.and_then(|(position, json)| {
        let answer: Answer = serde_json::from_slice(json).ok()?;
        Some(Answer { position: Revision::from_bytes(position)?, ..answer })
    });
    answer.ok_or(StoreError::Unreadable("an answer"))
}

/// Encodes a scope, as the field of a cutoff.
pub(super) fn encode_scope(scope: &Scope) -> Vec<u8> {
    let application = scope.application.as_ref().map(ToString::to_string).unwrap_or_default();
    let user = scope.user.as_ref().map(ToString::to_string).unwrap_or_default();
    let session = scope.session.map(|id| id.to_bytes().to_vec()).unwrap_or_default();
    ScopeRecord { tenant: scope.tenant.to_string(), user, application, session }.encode_to_vec()
}

/// Decodes a scope.
pub(super) fn decode_scope(field: &[u8]) -> Result<Scope, StoreError> {
    let scope = ScopeRecord::decode(field).ok().and_then(|record| {
        let user = if record.user.is_empty() { None } else { Some(UserId::parse(record.user).ok()?) };
        let tenant = TenantId::parse(record.tenant).ok()?;
        let session = if record.session.is_empty() { None } else { Some(SessionId::from_bytes(&record.session)?) };
        Some(Scope { tenant, user, application: application(record.application)?, session })
    });
    scope.ok_or(StoreError::Unreadable("the scope of a cutoff"))
}
