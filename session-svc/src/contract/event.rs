//! Events as contract messages.
//!
//! An event is encoded when it is committed, before its id is known: the id is its position in the stream. The relay adds
//! it by [`with_id`]; protobuf allows a field to be appended.

use bytes::Bytes;
use prost::Message as _;
use proto::{event::v1 as pb, session::v1 as session_pb};

use super::session::{reason, to_proto};
use crate::domain::{
    event::{Event, What},
    id::Shard,
    revision::Revision,
    session::Session,
};

/// Encodes an event, without its id. For a cutoff the position is not known either; the id says it.
pub fn encode(event: &Event) -> Bytes {
    message(event).encode_to_vec().into()
}

/// Adds the id to an encoded event.
pub fn with_id(encoded: &[u8], id: &str) -> Bytes {
    let id = pb::Event { id: id.to_owned(), ..pb::Event::default() };
    [encoded, &id.encode_to_vec()].concat().into()
}

/// The id of the event at a position: the same whoever publishes it.
pub fn id(deployment: &str, shard: Shard, revision: Revision) -> String {
    format!("evt_{deployment}_{}_{}_{}", shard.0, revision.ms, revision.number)
}

/// The dotted type of an event.
pub fn type_of(event: &Event) -> &'static str {
    match &event.what {
        What::Created(_) => "session.created",
        What::Refreshed(_) => "session.refreshed",
        What::Ended(session) if session.end.as_ref().is_some_and(|end| end.reason.is_expiry()) => "session.expired",
        What::Ended(_) => "session.revoked",
        What::ReuseDetected { .. } => "session.reuse_detected",
        What::Cutoff { .. } => "sessions.cutoff",
    }
}

fn message(event: &Event) -> pb::Event {
    let (tenant, user, application) = whose(&event.what);
    let scope = [&user, &application, &tenant].into_iter().find(|name| !name.is_empty()).cloned();
    pb::Event {
        id: String::new(),
        r#type: type_of(event).to_owned(),
        tenant_id: tenant,
        occurred_at: Some(event.at.to_proto()),
        aggregate_id: event.what.session_id().map_or_else(|| scope.unwrap_or_default(), |id| id.to_string()),
        sequence: event.sequence.into(),
        user_id: user,
        application_id: application,
        actor: event.actor.clone(),
        data: Some(data(event)),
    }
}

/// Tenant, user and application.
fn whose(what: &What) -> (String, String, String) {
    match what {
        What::Created(session) | What::Refreshed(session) | What::Ended(session) => of_session(session),
        What::ReuseDetected { session, .. } => of_session(session),
        What::Cutoff { scope, .. } => {
            (scope.tenant.to_string(), text(scope.user.as_ref()), text(scope.application.as_ref()))
        }
    }
}

fn of_session(session: &Session) -> (String, String, String) {
    let owner = &session.owner;
    (owner.tenant.to_string(), owner.user.to_string(), text(session.application.as_ref()))
}

fn text(name: Option<&impl ToString>) -> String {
    name.map(ToString::to_string).unwrap_or_default()
}

fn data(event: &Event) -> pb::event::Data {
    use pb::event::Data;
    let session = |session: &Session| -> Option<session_pb::Session> { Some(to_proto(session.clone(), String::new())) };
    match &event.what {
        What::Created(created) => Data::SessionCreated(pb::SessionCreated { session: session(created) }),
        What::Refreshed(refreshed) => Data::SessionRefreshed(pb::SessionRefreshed { session: session(refreshed) }),
        What::Ended(ended) if type_of(event) == "session.expired" => {
            Data::SessionExpired(pb::SessionExpired { session: session(ended) })
        }
        What::Ended(ended) => Data::SessionRevoked(pb::SessionRevoked { session: session(ended) }),
        What::ReuseDetected { session, presented, ip_address, .. } => {
            Data::SessionReuseDetected(pb::SessionReuseDetected {
                session_id: session.id.to_string(),
                presented_generation: *presented,
                current_generation: session.token.generation,
                ip_address: ip_address.clone(),
            })
        }
        What::Cutoff { scope, end } => Data::SessionsCutoff(pb::SessionsCutoff {
            user_id: text(scope.user.as_ref()),
            application_id: text(scope.application.as_ref()),
            reason: reason(end.reason).into(),
            comment: end.comment.clone(),
            cutoff_revision: String::new(),
        }),
    }
}
