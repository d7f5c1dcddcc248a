//! What the use cases need from outside.

mod api_keys;
mod audit;
mod consents;
mod devices;
mod key_sets;
mod keys;
mod pushed;
mod replays;
mod session_policies;
mod signatures;
mod tenants;
mod user_registrations;

use std::future::Future;

use proto::session::v1 as session_pb;
use secrecy::SecretString;
use svc_kit::clock::Timestamp;

pub use self::{
    api_keys::ApiKeyStore,
    audit::AuditStore,
    consents::ConsentStore,
    devices::DeviceStore,
    key_sets::KeySets,
    keys::{KeyStore, StoredKey, Tokens, TokensError},
    pushed::PushedStore,
    replays::ReplayStore,
    session_policies::SessionPolicyStore,
    signatures::Signatures,
    tenants::TenantStore,
    user_registrations::UserRegistrationStore,
};
use crate::domain::{
    application::Application,
    ending::{Cause, EndReason},
    event::Event,
    grant::Grant,
    session_policy::{PolicyScope, SessionPolicy},
    user::{Description, Login, User, UserChange, UserId},
};

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is away, or too slow; trying again is safe.
    #[error("the store is away")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It failed, or holds what cannot be read.
    #[error("the store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An order that session-svc must carry out: to end all sessions of a user or of an application, or to take over what was
/// changed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Which order.
    pub id: i64,
    /// Tenant.
    pub tenant: String,
    /// User; empty for all.
    pub user: String,
    /// Application; empty for all.
    pub application: String,
    /// Why.
    pub reason: RevocationReason,
    /// How often session-svc refused it.
    pub refusals: i32,
}

/// What is ordered: why all sessions of a user or of an application end, or what is to be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationReason {
    /// The application was deleted.
    ApplicationRemoved,
    /// The user was disabled.
    AccountDisabled,
    /// A password was set.
    CredentialChange,
    /// The user does not agree any more.
    ConsentWithdrawn,
    /// The user is not registered for the application any more.
    RegistrationDeleted,
    /// The tenant was suspended or resumed: its sessions are to be closed or opened, as its state is then.
    TenantState,
    /// The session policy of the tenant or of the application was changed: it is to be in force, as it is then.
    SessionPolicy,
}

impl RevocationReason {
    /// Why sessions end by this order; `None` where something is to be taken over and none ends by the order itself.
    pub fn cause(self) -> Option<Cause> {
        match self {
            Self::ApplicationRemoved => Some(Cause::ApplicationDeleted),
            Self::AccountDisabled => Some(Cause::UserDisabled),
            Self::CredentialChange => Some(Cause::CredentialChange),
            Self::ConsentWithdrawn => Some(Cause::ConsentWithdrawn),
            Self::RegistrationDeleted => Some(Cause::RegistrationDeleted),
            Self::TenantState | Self::SessionPolicy => None,
        }
    }
}

/// What became of a change of what is known of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Described {
    /// The user as it is then.
    Done(Box<User>),
    /// Somebody has the login.
    LoginTaken,
    /// There is no such user.
    Unknown,
}

/// What became of a code that was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakenCode {
    /// It is good, and spent now.
    Good(Box<Grant>),
    /// It was spent before; the session that it led to.
    Spent(String),
    /// There is no such code, or it is too old.
    Unknown,
}

/// Keeps applications.
pub trait ApplicationStore: Send + Sync + 'static {
    /// Adds an application and its event, and the order to put its session policy in force if it has one; `false` when the
    /// id is taken.
    fn add_application(
        &self,
        application: &Application,
        event: &Event,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Returns an application.
    fn application(&self, id: &str) -> impl Future<Output = Result<Option<Application>, StoreError>> + Send;
    /// Lists applications of a tenant by id, after one.
    fn applications(
        &self,
        tenant: &str,
        after: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Application>, StoreError>> + Send;
    /// Replaces an application, with the event; `false` when it is not of the same revision any more. The revision grows.
    /// Where its session policy changes, the order to put that in force is written too.
    fn replace_application(
        &self,
        application: &Application,
        event: &Event,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Deletes an application, with the event and the orders to end its sessions and to forget its session policy; `false`
    /// when there is none.
    fn delete_application(
        &self,
        application: &Application,
        event: &Event,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// Keeps users, and what follows from changing them.
pub trait UserStore: Send + Sync + 'static {
    /// Adds a user and its event; `false` when the login is taken.
    fn add_user(&self, user: &User, event: &Event) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Returns a user.
    fn user(&self, id: &UserId) -> impl Future<Output = Result<Option<User>, StoreError>> + Send;
    /// Returns the user with a login.
    fn user_by_login(
        &self,
        tenant: &str,
        login: &Login,
    ) -> impl Future<Output = Result<Option<User>, StoreError>> + Send;
    /// Lists users of a tenant by id, after one.
    fn users(
        &self,
        tenant: &str,
        after: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<User>, StoreError>> + Send;
    /// Changes a user, with the event, and with the order to end all sessions if there is a reason. Returns the user as
    /// it is then; `None` when there is no such user or it is so already, and then nothing is told or ordered either.
    fn change_user(
        &self,
        id: &UserId,
        change: &UserChange,
        event: &Event,
        revoke: Option<RevocationReason>,
    ) -> impl Future<Output = Result<Option<User>, StoreError>> + Send;
    /// Changes what is known of a user, with the event.
    fn describe_user(
        &self,
        id: &UserId,
        description: &Description,
        event: &Event,
    ) -> impl Future<Output = Result<Described, StoreError>> + Send;
    /// Replaces the hash of an unchanged password, if it is `old` still.
    fn replace_hash(&self, id: &UserId, old: &str, new: &str) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Deletes a user, with the event and the order to end all sessions; `false` when there is none.
    fn delete_user(&self, user: &User, event: &Event) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Orders that are not done yet and due at `now`, as many as are read at once.
    fn revocations(&self, now: Timestamp) -> impl Future<Output = Result<Vec<Revocation>, StoreError>> + Send;
    /// Notes that an order was refused, and when it is due again.
    fn revocation_refused(&self, id: i64, due_at: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Notes that an order is done.
    fn revoked(&self, id: i64) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Writes an event that goes with no change of ours.
    fn tell(&self, event: &Event) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Keeps authorization codes.
pub trait GrantStore: Send + Sync + 'static {
    /// Keeps a grant under the hash of its code; forgets those that are long over.
    fn add_code(
        &self,
        hash: [u8; 32],
        grant: &Grant,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Spends a code: whoever comes first gets the grant.
    fn take_code(&self, hash: [u8; 32], now: Timestamp) -> impl Future<Output = Result<TakenCode, StoreError>> + Send;
    /// Notes which session a code led to.
    fn code_led_to(&self, hash: [u8; 32], session: &str) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Everything that is kept.
pub trait Store:
    TenantStore
    + ApplicationStore
    + UserStore
    + GrantStore
    + ConsentStore
    + ApiKeyStore
    + AuditStore
    + ReplayStore
    + PushedStore
    + DeviceStore
    + KeyStore
    + SessionPolicyStore
    + UserRegistrationStore
{
}

impl<
    S: TenantStore
        + ApplicationStore
        + UserStore
        + GrantStore
        + ConsentStore
        + ApiKeyStore
        + AuditStore
        + ReplayStore
        + PushedStore
        + DeviceStore
        + KeyStore
        + SessionPolicyStore
        + UserRegistrationStore,
> Store for S
{
}

/// Why session-svc did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    /// It is away, or too slow.
    #[error("session-svc is away")]
    Unavailable(#[source] Box<tonic::Status>),
    /// It refuses the token.
    #[error("session-svc refuses the token")]
    TokenRefused,
    /// There is no such session.
    #[error("there is no such session")]
    NotFound,
    /// The SSO session is over.
    #[error("the SSO session has ended")]
    ParentEnded,
    /// The user has as many sessions in the application as are allowed.
    #[error("the user has too many sessions in the application")]
    LimitReached,
    /// No session may be opened in this tenant, or for this user or application.
    #[error("no session may be opened here")]
    Closed,
    /// It refuses a value that a caller gave.
    #[error("{0}")]
    Invalid(String),
    /// It fails.
    #[error("session-svc fails")]
    Failed(#[source] Box<tonic::Status>),
}

/// What is presented to find a session.
#[derive(Clone, Debug)]
pub enum SessionRef<'a> {
    /// Its token.
    Token(&'a str),
    /// Its id.
    Id(&'a str),
}

/// Opens, checks and ends sessions.
pub trait Sessions: Send + Sync + 'static {
    /// Opens a session; returns its token too.
    fn create(
        &self,
        request: session_pb::CreateSessionRequest,
    ) -> impl Future<Output = Result<(session_pb::Session, SecretString), SessionsError>> + Send;
    /// Returns a session if it is alive and what is presented is good for it.
    fn validate(
        &self,
        session: SessionRef<'_>,
        is_interactive: bool,
    ) -> impl Future<Output = Result<Option<session_pb::Session>, SessionsError>> + Send;
    /// Returns a session, alive or ended, if what is presented is genuine; by its id, the record of a participant too.
    fn look(
        &self,
        session: SessionRef<'_>,
    ) -> impl Future<Output = Result<Option<session_pb::Session>, SessionsError>> + Send;
    /// Exchanges a token.
    fn refresh(
        &self,
        token: &str,
        application: &str,
    ) -> impl Future<Output = Result<(session_pb::Session, SecretString), SessionsError>> + Send;
    /// Records that a user proved again who they are; returns the session and its new token.
    fn reauthenticate(
        &self,
        request: session_pb::ReauthenticateSessionRequest,
    ) -> impl Future<Output = Result<(session_pb::Session, SecretString), SessionsError>> + Send;
    /// Returns the sessions alive that were opened under an SSO session, newest first, as many as are read at once.
    fn children(
        &self,
        sso: &session_pb::Session,
    ) -> impl Future<Output = Result<Vec<session_pb::Session>, SessionsError>> + Send;
    /// Returns the sessions alive of a user, newest first, as many as are read at once, and whether there are more.
    fn of_user(
        &self,
        tenant: &str,
        user: &str,
    ) -> impl Future<Output = Result<(Vec<session_pb::Session>, bool), SessionsError>> + Send;
    /// Ends a session; says whether it had ended before.
    fn revoke(
        &self,
        session: SessionRef<'_>,
        reason: EndReason,
    ) -> impl Future<Output = Result<(session_pb::Session, bool), SessionsError>> + Send;
    /// Ends all sessions that an order names.
    fn carry_out(&self, order: &Revocation) -> impl Future<Output = Result<(), SessionsError>> + Send;
    /// Ends all sessions of a tenant and lets none be opened, or lets them be opened again.
    fn set_tenant(&self, tenant: &str, is_open: bool) -> impl Future<Output = Result<(), SessionsError>> + Send;
    /// Says whether a policy is what session-svc has for a scope; an empty one also where it has none.
    fn has_policy(
        &self,
        scope: &PolicyScope,
        policy: &SessionPolicy,
    ) -> impl Future<Output = Result<bool, SessionsError>> + Send;
    /// Puts a policy in force in place of the one before.
    fn put_policy(
        &self,
        scope: &PolicyScope,
        policy: &SessionPolicy,
    ) -> impl Future<Output = Result<(), SessionsError>> + Send;
}

/// Why a password was not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too many are being checked.
    #[error("too many passwords are being checked")]
    Overloaded,
    /// The stored hash cannot be read, or hashing fails.
    #[error("hashing failed")]
    Failed,
}

/// Hashes and checks passwords, slowly on purpose.
pub trait Passwords: Send + Sync + 'static {
    /// Hashes a new password.
    fn hash(&self, password: SecretString) -> impl Future<Output = Result<String, PasswordError>> + Send;
    /// Says whether a hash is not as new ones are made, so that it should be replaced.
    fn is_outdated(&self, hash: &str) -> bool;
    /// Checks a password; `None` takes as long and says no.
    fn check(
        &self,
        password: SecretString,
        hash: Option<String>,
    ) -> impl Future<Output = Result<bool, PasswordError>> + Send;
}
