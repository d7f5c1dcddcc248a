//! Sessions as contract messages.

use proto::session::v1 as pb;

use crate::domain::{
    device::{Device, DeviceType},
    end::EndReason,
    filter::State,
    session::{Kind, RefreshMode, Session},
};

/// Makes the message of a session; `version` is empty in events.
pub fn to_proto(session: Session, version: String) -> pb::Session {
    let state = state(session.state()).into();
    let (idle_expires_at, expires_at) = (session.deadline().to_proto(), session.absolute_deadline().to_proto());
    let ended_at = session.end.as_ref().map(|end| end.at.to_proto());
    let end_reason = session.end.as_ref().map_or(pb::EndReason::Unspecified, |end| reason(end.reason)).into();
    let (end_comment, ended_by) = session.end.map(|end| (end.comment, end.by)).unwrap_or_default();
    pb::Session {
        id: session.id.to_string(),
        tenant_id: session.owner.tenant.into(),
        user_id: session.owner.user.into(),
        application_id: session.application.map(String::from).unwrap_or_default(),
        kind: kind(session.kind).into(),
        parent_id: session.parent.map(|id| id.to_string()).unwrap_or_default(),
        state,
        created_at: Some(session.created_at.to_proto()),
        authenticated_at: Some(session.authenticated_at.to_proto()),
        last_active_at: Some(session.last_active_at.to_proto()),
        idle_expires_at: Some(idle_expires_at),
        expires_at: Some(expires_at),
        ended_at,
        end_reason,
        end_comment,
        ended_by,
        amr: session.amr,
        acr: session.acr,
        scopes: session.scopes,
        device: Some(device(session.device)),
        attributes: session.attributes.into_iter().collect(),
        generation: session.token.generation,
        revision: version,
        refresh_mode: refresh_mode(session.token.mode).into(),
        keep_signed_in: session.keep_signed_in,
        on_parent_end: on_parent_end(session.survives_parent).into(),
    }
}

fn device(device: Device) -> pb::Device {
    pb::Device {
        name: device.name,
        r#type: device_type(device.kind).into(),
        description: device.description,
        user_agent: device.user_agent,
        ip_address: device.ip_address,
        last_ip_address: device.last_ip_address,
    }
}

fn on_parent_end(survives: bool) -> pb::OnParentEnd {
    if survives { pb::OnParentEnd::Keep } else { pb::OnParentEnd::Revoke }
}

macro_rules! both_ways {
    ($to:ident, $from:ident, $domain:ident, $message:ident, $what:literal, { $($variant:ident = $wire:ident),+ $(,)? }) => {
        #[doc = concat!("Writes ", $what, ".")]
        pub fn $to(value: $domain) -> pb::$message {
            match value {
                $($domain::$variant => pb::$message::$wire,)+
            }
        }

        #[doc = concat!("Reads ", $what, "; `None` for a value that is unspecified or unknown.")]
        pub fn $from(value: i32) -> Option<$domain> {
            match pb::$message::try_from(value) {
                $(Ok(pb::$message::$wire) => Some($domain::$variant),)+
                _ => None,
            }
        }
    };
}

both_ways!(kind, kind_from, Kind, SessionKind, "a kind", {
    Sso = Sso, Application = Application, Participant = Participant,
});
both_ways!(state, state_from, State, SessionState, "a state", {
    Active = Active, Revoked = Revoked, Expired = Expired,
});
both_ways!(refresh_mode, refresh_mode_from, RefreshMode, RefreshMode, "a refresh mode", {
    Rotate = Rotate, Reusable = Reusable,
});
both_ways!(device_type, device_type_from, DeviceType, DeviceType, "a device type", {
    Unknown = Unspecified, Browser = Browser, Desktop = Desktop, Mobile = Mobile, Server = Server, Other = Other,
});
both_ways!(reason, reason_from, EndReason, EndReason, "an end reason", {
    Logout = Logout, User = User, Admin = Admin, Policy = Policy, Idle = Idle, Absolute = Absolute, Limit = Limit,
    TokenReuse = TokenReuse, CredentialChange = CredentialChange, AccountDisabled = AccountDisabled,
    ParentEnded = ParentEnded, Cutoff = Cutoff, ApplicationRemoved = ApplicationRemoved,
});
