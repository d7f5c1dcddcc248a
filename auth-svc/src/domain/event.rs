//! What the world is told.

use svc_kit::clock::Timestamp;

use super::{application::Application, keys::SigningAlgorithm};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Tenant.
    pub tenant: String,
    /// Who caused it; empty when the service or the user did.
    pub actor: String,
    /// Address that it was caused from; empty when it is not known.
    pub from: String,
    /// What.
    pub what: What,
}

impl Event {
    /// The same, caused from the address of a user, where that is known.
    #[must_use]
    pub fn of(self, user_address: &str) -> Self {
        if user_address.is_empty() { self } else { Self { from: user_address.to_owned(), ..self } }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A user signed in.
    LoginSuccess {
        /// Who.
        user: String,
        /// Where; empty for the hosted pages themselves.
        application: String,
        /// The session that was opened.
        session: String,
    },
    /// A sign-in failed.
    LoginFailed {
        /// Whose, if the login belongs to somebody.
        user: String,
        /// Where.
        application: String,
        /// Why.
        reason: &'static str,
    },
    /// A user logged out.
    Logout {
        /// Who.
        user: String,
        /// Where.
        application: String,
        /// The session that ended.
        session: String,
    },
    /// A user was created.
    UserCreated(String),
    /// What is known of a user was changed.
    UserUpdated {
        /// Who.
        user: String,
        /// What of it.
        fields: Vec<String>,
    },
    /// A user was deleted.
    UserDeleted(String),
    /// A user was disabled.
    UserDisabled(String),
    /// A user was enabled.
    UserEnabled(String),
    /// A password was set.
    PasswordChanged(String),
    /// An application was created.
    ApplicationCreated {
        /// Which.
        application: String,
        /// Where it wants logout tokens; may be empty.
        logout_uri: String,
    },
    /// An application was changed.
    ApplicationUpdated {
        /// Which.
        application: String,
        /// What of it.
        fields: Vec<String>,
        /// Where it wants logout tokens now; may be empty.
        logout_uri: String,
    },
    /// An application was deleted.
    ApplicationDeleted(String),
    /// A user does not agree any more.
    ConsentWithdrawn {
        /// Who.
        user: String,
        /// To what.
        application: String,
    },
    /// A user was registered for an application. On record only.
    RegistrationCreated {
        /// Who.
        user: String,
        /// Where.
        application: String,
    },
    /// A user is not registered for an application any more. On record only.
    RegistrationDeleted {
        /// Who.
        user: String,
        /// Where.
        application: String,
    },
    /// A user agreed. On record only.
    ConsentGiven {
        /// Who.
        user: String,
        /// To what.
        application: String,
    },
    /// A signing key was made. On record only.
    KeyCreated(String),
    /// Another signing key signs.
    KeyRotated {
        /// Which.
        key: String,
        /// By what.
        algorithm: SigningAlgorithm,
    },
    /// A signing key is published no more. On record only.
    KeyRemoved(String),
    /// A signing key leaked and is refused from now on.
    KeyRevoked {
        /// Which.
        key: String,
        /// By what it signed.
        algorithm: SigningAlgorithm,
        /// Which signs instead; empty when it did not sign.
        successor: String,
    },
    /// An API key was created.
    ApiKeyCreated(String),
    /// An API key got a new secret.
    ApiKeyRotated(String),
    /// An API key was deleted.
    ApiKeyDeleted(String),
    /// The tenant was created.
    TenantCreated,
    /// The tenant was changed.
    TenantUpdated {
        /// What of it.
        fields: Vec<String>,
    },
    /// The tenant was suspended.
    TenantSuspended,
    /// The tenant was resumed.
    TenantResumed,
}

impl What {
    /// An application was created.
    pub fn created(application: &Application) -> Self {
        let logout_uri = application.settings.backchannel_logout.uri.clone();
        Self::ApplicationCreated { application: application.id.clone(), logout_uri }
    }

    /// Fields of an application were changed; it is like this now.
    pub fn updated(application: &Application, fields: &[String]) -> Self {
        let logout_uri = application.settings.backchannel_logout.uri.clone();
        Self::ApplicationUpdated { application: application.id.clone(), fields: fields.to_vec(), logout_uri }
    }
}
