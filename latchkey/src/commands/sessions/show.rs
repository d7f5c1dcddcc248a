//! How a session is shown to people.

use proto::session::v1::{Device, DeviceType, Session};

use crate::output::{
    Column,
    text::{moment, relative, word, yes},
};

/// A session as a line of a table.
pub const COLUMNS: &[Column<Session>] = &[
    ("SESSION", |session, _| session.id.clone()),
    ("KIND", |session, _| kind(session)),
    ("STATE", |session, _| state(session)),
    ("APPLICATION", |session, _| session.application_id.clone()),
    ("DEVICE", |session, _| device(session.device.as_ref())),
    ("CREATED", |session, now| relative(session.created_at.as_ref(), now)),
    ("LAST ACTIVE", |session, now| relative(session.last_active_at.as_ref(), now)),
    ("ENDS", |session, now| relative(session.ended_at.as_ref().or(first_deadline(session)), now)),
];

/// A session in full.
pub const FIELDS: &[Column<Session>] = &[
    ("session", |session, _| session.id.clone()),
    ("tenant", |session, _| session.tenant_id.clone()),
    ("user", |session, _| session.user_id.clone()),
    ("application", |session, _| session.application_id.clone()),
    ("kind", |session, _| kind(session)),
    ("state", |session, _| state(session)),
    ("parent", |session, _| session.parent_id.clone()),
    ("created", |session, now| moment(session.created_at.as_ref(), now)),
    ("authenticated", |session, now| moment(session.authenticated_at.as_ref(), now)),
    ("last active", |session, now| moment(session.last_active_at.as_ref(), now)),
    ("ends if idle", |session, now| moment(deadline(session, session.idle_expires_at.as_ref()), now)),
    ("ends at latest", |session, now| moment(deadline(session, session.expires_at.as_ref()), now)),
    ("ended", |session, now| moment(session.ended_at.as_ref(), now)),
    ("end reason", |session, _| word(session.end_reason().as_str_name(), "END_REASON_")),
    ("end comment", |session, _| session.end_comment.clone()),
    ("ended by", |session, _| session.ended_by.clone()),
    ("methods", |session, _| session.amr.join(" ")),
    ("context class", |session, _| session.acr.clone()),
    ("scopes", |session, _| session.scopes.join(" ")),
    ("device", |session, _| device(session.device.as_ref())),
    ("ip address", |session, _| session.device.as_ref().map(ip_addresses).unwrap_or_default()),
    ("user agent", |session, _| session.device.as_ref().map(|device| device.user_agent.clone()).unwrap_or_default()),
    ("attributes", |session, _| attributes(session)),
    ("generation", |session, _| match session.generation {
        0 => String::new(),
        generation => generation.to_string(),
    }),
    ("stay signed in", |session, _| yes(session.keep_signed_in)),
];

fn kind(session: &Session) -> String {
    word(session.kind().as_str_name(), "SESSION_KIND_")
}

fn state(session: &Session) -> String {
    word(session.state().as_str_name(), "SESSION_STATE_")
}

/// The deadline that comes first if the session is not used.
fn first_deadline(session: &Session) -> Option<&prost_types::Timestamp> {
    let deadlines = [session.idle_expires_at.as_ref(), session.expires_at.as_ref()];
    deadlines.into_iter().flatten().min_by_key(|deadline| (deadline.seconds, deadline.nanos))
}

/// A deadline, which means nothing any more once the session has ended.
fn deadline<'s>(session: &Session, deadline: Option<&'s prost_types::Timestamp>) -> Option<&'s prost_types::Timestamp> {
    deadline.filter(|_| session.ended_at.is_none())
}

fn device(device: Option<&Device>) -> String {
    let Some(device) = device else { return String::new() };
    let kind = match device.r#type() {
        DeviceType::Unspecified => String::new(),
        kind => word(kind.as_str_name(), "DEVICE_TYPE_"),
    };
    [&device.name, &device.description, &kind].into_iter().find(|text| !text.is_empty()).cloned().unwrap_or_default()
}

fn ip_addresses(device: &Device) -> String {
    match (device.ip_address.as_str(), device.last_ip_address.as_str()) {
        (first, "") => first.to_owned(),
        (first, last) if first == last => first.to_owned(),
        ("", last) => last.to_owned(),
        (first, last) => format!("{first}, last {last}"),
    }
}

fn attributes(session: &Session) -> String {
    let mut pairs: Vec<_> = session.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.sort();
    pairs.join(" ")
}
