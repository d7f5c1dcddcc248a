//! Which sessions of a user: the options that `list` and `revoke` share.

use clap::{Args, ValueEnum};
use proto::session::v1::{DeviceType, EndReason, SessionFilter, SessionKind, SessionState};
use svc_kit::clock::Timestamp;

use crate::commands::input::{Moment, moment};

/// Chooses some of a user's sessions. What is not given does not restrict.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Narrow {
    /// Only sessions of this application; may be repeated.
    #[arg(long = "application", value_name = "ID")]
    applications: Vec<String>,
    /// Only sessions of this kind; may be repeated.
    #[arg(long = "kind", value_enum, value_name = "KIND")]
    kinds: Vec<Kind>,
    /// Only sessions that were opened under this SSO session.
    #[arg(long, value_name = "SESSION")]
    parent: Option<String>,
    /// Only sessions on this type of device.
    #[arg(long, value_enum)]
    device: Option<DeviceKind>,
    /// Only sessions opened or last seen at this IP address.
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// Only sessions created since then: a time (RFC 3339) or how long ago (`2d`).
    #[arg(long, value_name = "TIME", value_parser = moment)]
    created_after: Option<Moment>,
    /// Only sessions created before then.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    created_before: Option<Moment>,
    /// Only sessions used since then.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    active_after: Option<Moment>,
    /// Only sessions not used since then.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    active_before: Option<Moment>,
    /// All but this session.
    #[arg(long, value_name = "SESSION")]
    except: Option<String>,
}

impl Narrow {
    /// Returns the filter for the sessions of `user`.
    pub fn filter(self, tenant_id: String, user_id: String, now: Timestamp) -> SessionFilter {
        let at = |moment: Option<Moment>| moment.map(|moment| moment.to_proto(now));
        SessionFilter {
            tenant_id,
            user_id,
            application_ids: self.applications,
            kinds: self.kinds.into_iter().map(|kind| SessionKind::from(kind).into()).collect(),
            states: Vec::new(),
            parent_id: self.parent.unwrap_or_default(),
            device_type: self.device.map_or(DeviceType::Unspecified, DeviceType::from).into(),
            ip_address: self.ip.unwrap_or_default(),
            created_after: at(self.created_after),
            created_before: at(self.created_before),
            last_active_after: at(self.active_after),
            last_active_before: at(self.active_before),
            except_session_id: self.except.unwrap_or_default(),
        }
    }
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident => $proto:ident { $($(#[$value_doc:meta])* $value:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
        pub enum $name { $($(#[$value_doc])* $value),+ }

        impl From<$name> for $proto {
            fn from(choice: $name) -> Self {
                match choice { $($name::$value => Self::$value),+ }
            }
        }
    };
}

choice! {
    /// What a session is.
    Kind => SessionKind {
        /// The browser's sign-in at the hosted pages.
        Sso,
        /// One user in one application, checked centrally.
        Application,
        /// An application that manages its own session.
        Participant,
    }
}

choice! {
    /// What a device is.
    DeviceKind => DeviceType {
        /// A web browser.
        Browser,
        /// A desktop program.
        Desktop,
        /// A phone or tablet application.
        Mobile,
        /// A server or a script.
        Server,
        /// Anything else.
        Other,
    }
}

choice! {
    /// Whether a session is alive.
    State => SessionState {
        /// Alive.
        Active,
        /// Ended by somebody.
        Revoked,
        /// Ended by time.
        Expired,
    }
}

choice! {
    /// Why a session is ended.
    Reason => EndReason {
        /// The user logged out.
        Logout,
        /// The user ended it from a list.
        User,
        /// An administrator ended it.
        Admin,
        /// A policy ended it.
        Policy,
        /// A credential changed.
        CredentialChange,
        /// The account was disabled.
        AccountDisabled,
        /// The application was removed.
        ApplicationRemoved,
    }
}
