//! Events as contract messages: what both stores write into their outbox.

use prost::Message as _;
use proto::event::v1 as pb;
use svc_kit::{
    bus::{Message, routing_key, shard_of},
    entropy::{self, OsEntropy},
    id::encode_base32,
    telemetry::TraceContext,
};

use crate::domain::event::{Event, What};

/// Encodes an event, with a new id.
pub fn message(event: &Event) -> Message {
    let (event_type, user, application, data) = describe(&event.what);
    // Only uniqueness matters here, so nobody needs to repeat it.
    let id = format!("evt_auth_{}", encode_base32(&entropy::bytes::<16>(&OsEntropy)));
    let named = [&user, &application].into_iter().find(|name| !name.is_empty());
    let aggregate_id = named.unwrap_or(&event.tenant).clone();
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
    Message { id, routing_key, body: encoded.encode_to_vec().into(), trace: TraceContext::current() }
}

fn describe(what: &What) -> (&'static str, String, String, pb::event::Data) {
    use pb::event::Data;
    let none = String::new;
    match what.clone() {
        What::LoginSuccess { user: user_id, application: application_id, session: session_id } => {
            let data = Data::UserLoginSuccess(pb::UserLoginSuccess {
                user_id: user_id.clone(),
                application_id: application_id.clone(),
                session_id,
                amr: vec!["pwd".to_owned()],
                ip_address: none(),
            });
            ("user.login.success", user_id, application_id, data)
        }
        What::LoginFailed { user: user_id, application: application_id, reason } => {
            let (user, application, reason) = (user_id.clone(), application_id.clone(), reason.to_owned());
            let failed = pb::UserLoginFailed { user_id, application_id, reason, ip_address: none() };
            ("user.login.failed", user, application, Data::UserLoginFailed(failed))
        }
        What::Logout { user: user_id, application: application_id, session: session_id } => {
            let (user, application) = (user_id.clone(), application_id.clone());
            ("user.logout", user, application, Data::UserLogout(pb::UserLogout { user_id, application_id, session_id }))
        }
        What::UserCreated(user_id) => {
            ("user.created", user_id.clone(), none(), Data::UserCreated(pb::UserCreated { user_id }))
        }
        What::UserUpdated { user: user_id, fields: changed_fields } => {
            let updated = pb::UserUpdated { user_id: user_id.clone(), changed_fields };
            ("user.updated", user_id, none(), Data::UserUpdated(updated))
        }
        What::UserDeleted(user_id) => {
            ("user.deleted", user_id.clone(), none(), Data::UserDeleted(pb::UserDeleted { user_id }))
        }
        What::UserDisabled(user_id) => {
            ("user.disabled", user_id.clone(), none(), Data::UserDisabled(pb::UserDisabled { user_id }))
        }
        What::UserEnabled(user_id) => {
            ("user.enabled", user_id.clone(), none(), Data::UserEnabled(pb::UserEnabled { user_id }))
        }
        What::PasswordChanged(user_id) => {
            let data = Data::UserPasswordChanged(pb::UserPasswordChanged { user_id: user_id.clone() });
            ("user.password.changed", user_id, none(), data)
        }
        What::ApplicationCreated(application_id) => {
            let data = Data::ApplicationCreated(pb::ApplicationCreated { application_id: application_id.clone() });
            ("application.created", none(), application_id, data)
        }
        What::ApplicationUpdated { application: application_id, fields: changed_fields } => {
            let updated = pb::ApplicationUpdated { application_id: application_id.clone(), changed_fields };
            ("application.updated", none(), application_id, Data::ApplicationUpdated(updated))
        }
        What::ApplicationDeleted(application_id) => {
            let data = Data::ApplicationDeleted(pb::ApplicationDeleted { application_id: application_id.clone() });
            ("application.deleted", none(), application_id, data)
        }
        What::TenantCreated => ("tenant.created", none(), none(), Data::TenantCreated(pb::TenantCreated {})),
        What::TenantUpdated { fields: changed_fields } => {
            ("tenant.updated", none(), none(), Data::TenantUpdated(pb::TenantUpdated { changed_fields }))
        }
        What::TenantSuspended => ("tenant.suspended", none(), none(), Data::TenantSuspended(pb::TenantSuspended {})),
        What::TenantResumed => ("tenant.resumed", none(), none(), Data::TenantResumed(pb::TenantResumed {})),
    }
}
