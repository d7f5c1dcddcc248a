//! Events as contract messages and as entries of the audit trail: what both stores write with a change.

pub mod session_policy;

use std::collections::BTreeMap;

use prost::Message as _;
use proto::event::v1 as pb;
use svc_kit::{
    bus::{Message, routing_key, shard_of},
    entropy::{self, OsEntropy},
    id::encode_base32,
    telemetry::TraceContext,
};

use crate::domain::{
    audit::AuditEntry,
    event::{Event, What},
};

/// Encodes an event, with a new id; `None` for what is put on record only.
pub fn message(event: &Event) -> Option<Message> {
    let (event_type, user, application, data) = describe(event);
    let data = data?;
    // Only uniqueness matters here, so nobody needs to repeat it.
    let id = format!("evt_auth_{}", encode_base32(&entropy::bytes::<16>(&OsEntropy)));
    let aggregate_id = subject(event, &user, &application);
    let routing_key = routing_key(shard_of(&aggregate_id), event_type);
    let encoded = pb::Event {
        id: id.clone(),
        r#type: event_type.to_owned(),
        tenant_id: event.tenant.clone(),
        occurred_at: Some(event.at.to_proto()),
        aggregate_id,
        sequence: 0,
        user_id: user,
        application_id: application,
        actor: event.actor.clone(),
        data: Some(data),
    };
    Some(Message { id, routing_key, body: encoded.encode_to_vec().into(), trace: TraceContext::current() })
}

/// Puts an event on record.
pub fn audit(event: &Event) -> AuditEntry {
    let (action, user, application, _) = describe(event);
    AuditEntry {
        at: event.at,
        tenant: event.tenant.clone(),
        action: action.to_owned(),
        actor: event.actor.clone(),
        subject: subject(event, &user, &application),
        user,
        application,
        from: event.from.clone(),
        details: details(&event.what),
    }
}

fn details(what: &What) -> BTreeMap<String, String> {
    let detail = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
    match what {
        What::LoginFailed { reason, .. } => detail("reason", reason),
        What::LoginSuccess { session, .. } | What::Logout { session, .. } => detail("session_id", session),
        What::UserUpdated { fields, .. } | What::ApplicationUpdated { fields, .. } | What::TenantUpdated { fields } => {
            detail("changed_fields", &fields.join(" "))
        }
        What::KeyRevoked { successor, .. } if !successor.is_empty() => detail("successor_key_id", successor),
        _ => BTreeMap::new(),
    }
}

/// What an event happened to.
fn subject(event: &Event, user: &str, application: &str) -> String {
    let key = key_of(&event.what);
    let named = [user, application, &key].into_iter().find(|name| !name.is_empty());
    named.unwrap_or(&event.tenant).to_owned()
}

/// The key that an event concerns; empty for none.
fn key_of(what: &What) -> String {
    match what {
        What::ApiKeyCreated(key) | What::ApiKeyRotated(key) | What::ApiKeyDeleted(key) => key.clone(),
        What::KeyCreated(key) | What::KeyRotated { key, .. } | What::KeyRemoved(key) => key.clone(),
        What::KeyRevoked { key, .. } => key.clone(),
        _ => String::new(),
    }
}

/// What happened, by the name that it has on the bus and in the audit trail, the user and the application that it concerns,
/// and what is told of it; `None` for what is put on record only.
fn describe(event: &Event) -> (&'static str, String, String, Option<pb::event::Data>) {
    use pb::event::Data;
    let none = String::new;
    let ip_address = event.from.clone();
    match event.what.clone() {
        What::LoginSuccess { user: user_id, application: application_id, session: session_id } => {
            let data = Data::UserLoginSuccess(pb::UserLoginSuccess {
                user_id: user_id.clone(),
                application_id: application_id.clone(),
                session_id,
                amr: vec!["pwd".to_owned()],
                ip_address,
            });
            ("user.login.success", user_id, application_id, Some(data))
        }
        What::LoginFailed { user: user_id, application: application_id, reason } => {
            let (user, application, reason) = (user_id.clone(), application_id.clone(), reason.to_owned());
            let failed = pb::UserLoginFailed { user_id, application_id, reason, ip_address };
            ("user.login.failed", user, application, Some(Data::UserLoginFailed(failed)))
        }
        What::Logout { user: user_id, application: application_id, session: session_id } => {
            let (user, application) = (user_id.clone(), application_id.clone());
            let data = Data::UserLogout(pb::UserLogout { user_id, application_id, session_id });
            ("user.logout", user, application, Some(data))
        }
        What::UserCreated(user_id) => {
            ("user.created", user_id.clone(), none(), Some(Data::UserCreated(pb::UserCreated { user_id })))
        }
        What::UserUpdated { user: user_id, fields: changed_fields } => {
            let updated = pb::UserUpdated { user_id: user_id.clone(), changed_fields };
            ("user.updated", user_id, none(), Some(Data::UserUpdated(updated)))
        }
        What::UserDeleted(user_id) => {
            ("user.deleted", user_id.clone(), none(), Some(Data::UserDeleted(pb::UserDeleted { user_id })))
        }
        What::UserDisabled(user_id) => {
            ("user.disabled", user_id.clone(), none(), Some(Data::UserDisabled(pb::UserDisabled { user_id })))
        }
        What::UserEnabled(user_id) => {
            ("user.enabled", user_id.clone(), none(), Some(Data::UserEnabled(pb::UserEnabled { user_id })))
        }
        What::PasswordChanged(user_id) => {
            let data = Data::UserPasswordChanged(pb::UserPasswordChanged { user_id: user_id.clone() });
            ("user.password.changed", user_id, none(), Some(data))
        }
        What::ApplicationCreated { application: application_id, logout_uri: backchannel_logout_uri } => {
            let created = pb::ApplicationCreated { application_id: application_id.clone(), backchannel_logout_uri };
            ("application.created", none(), application_id, Some(Data::ApplicationCreated(created)))
        }
        What::ApplicationUpdated { application: application_id, fields: changed_fields, logout_uri } => {
            let (id, backchannel_logout_uri) = (application_id.clone(), logout_uri);
            let updated = pb::ApplicationUpdated { application_id: id, changed_fields, backchannel_logout_uri };
            ("application.updated", none(), application_id, Some(Data::ApplicationUpdated(updated)))
        }
        What::ApplicationDeleted(application_id) => {
            let data = Data::ApplicationDeleted(pb::ApplicationDeleted { application_id: application_id.clone() });
            ("application.deleted", none(), application_id, Some(data))
        }
        What::ConsentWithdrawn { user: user_id, application: application_id } => {
            let (user, application) = (user_id.clone(), application_id.clone());
            let withdrawn = pb::ConsentWithdrawn { user_id, application_id };
            ("consent.withdrawn", user, application, Some(Data::ConsentWithdrawn(withdrawn)))
        }
        What::ApiKeyCreated(api_key_id) => {
            ("api_key.created", none(), none(), Some(Data::ApiKeyCreated(pb::ApiKeyCreated { api_key_id })))
        }
        What::ApiKeyRotated(api_key_id) => {
            ("api_key.rotated", none(), none(), Some(Data::ApiKeyRotated(pb::ApiKeyRotated { api_key_id })))
        }
        What::ApiKeyDeleted(api_key_id) => {
            ("api_key.deleted", none(), none(), Some(Data::ApiKeyDeleted(pb::ApiKeyDeleted { api_key_id })))
        }
        What::TenantCreated => ("tenant.created", none(), none(), Some(Data::TenantCreated(pb::TenantCreated {}))),
        What::TenantUpdated { fields: changed_fields } => {
            ("tenant.updated", none(), none(), Some(Data::TenantUpdated(pb::TenantUpdated { changed_fields })))
        }
        What::TenantSuspended => {
            ("tenant.suspended", none(), none(), Some(Data::TenantSuspended(pb::TenantSuspended {})))
        }
        What::TenantResumed => ("tenant.resumed", none(), none(), Some(Data::TenantResumed(pb::TenantResumed {}))),
        What::RegistrationCreated { user, application } => ("registration.created", user, application, None),
        What::RegistrationDeleted { user, application } => ("registration.deleted", user, application, None),
        What::ConsentGiven { user, application } => ("consent.given", user, application, None),
        What::KeyCreated(_) => ("key.created", none(), none(), None),
        What::KeyRotated { key: key_id, algorithm } => {
            let rotated = pb::KeyRotated { key_id, algorithm: algorithm.name().to_owned() };
            ("key.rotated", none(), none(), Some(Data::KeyRotated(rotated)))
        }
        What::KeyRemoved(_) => ("key.removed", none(), none(), None),
        What::KeyRevoked { key: key_id, algorithm, successor: successor_key_id } => {
            let algorithm = algorithm.name().to_owned();
            let revoked = pb::KeyRevoked { key_id, algorithm, successor_key_id };
            ("key.revoked", none(), none(), Some(Data::KeyRevoked(revoked)))
        }
    }
}
