//! Steps of a random history.

use proptest::prelude::*;
use session_svc::domain::session::Kind;

/// Users of the histories: tenant and name. The first two share a tenant.
pub const USERS: [(&str, &str); 3] = [("acme", "ada"), ("acme", "grace"), ("other", "ada")];
pub const APPLICATIONS: [&str; 2] = ["web", "mobile"];

/// One thing that happens. Sessions are chosen by number, modulo how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Create(Create),
    Validate {
        session: usize,
        token: Option<Token>,
        is_interactive: bool,
    },
    Refresh {
        session: usize,
        token: Token,
    },
    Touch {
        session: usize,
        token: Option<Token>,
    },
    Update {
        session: usize,
        key: Option<u8>,
    },
    Reauthenticate {
        session: usize,
        token: Token,
        keep_signed_in: bool,
    },
    Revoke {
        session: usize,
        key: Option<u8>,
    },
    /// Everything in a scope, at once.
    Cut {
        scope: Scope,
        key: Option<u8>,
    },
    /// All sessions of the owner but this one.
    RevokeOthers {
        session: usize,
    },
    Close {
        scope: Scope,
    },
    /// Another policy in the place of a tenant's, or of an application's.
    PutPolicy(Policy),
    Open {
        scope: Scope,
    },
    /// A request with an idempotency key, once more.
    Repeat(usize),
    /// A caller of another tenant tries everything with a session.
    Trespass {
        session: usize,
    },
    Wait(Wait),
    Sweep,
    Tidy,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    pub user: usize,
    pub kind: Kind,
    pub application: usize,
    pub parent: Option<usize>,
    pub survives_parent: bool,
    pub keep_signed_in: bool,
    pub is_reusable: bool,
    pub key: Option<u8>,
}

/// Which token of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// The newest that was handed out, or so many before it.
    Back(usize),
    /// None that was ever handed out.
    Forged,
}

/// A scope: of a user or of the user's tenant, in an application or in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    pub user: usize,
    pub is_tenant: bool,
    pub application: Option<usize>,
}

/// A policy of a user's tenant, or of an application of it: idle timeout and lifetime in ms, the same for each kind of session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    pub user: usize,
    pub application: Option<usize>,
    pub idle: Option<i64>,
    pub absolute: Option<i64>,
    /// Whether it speaks of SSO sessions; an application's cannot.
    pub is_of_sso: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    Ms(u64),
    /// Until a limit of a session, or a millisecond before or after it.
    Limit {
        session: usize,
        is_idle: bool,
        off_by: i64,
    },
}

pub fn history() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..24)
}

fn step() -> impl Strategy<Value = Step> {
    let session = 0..64_usize;
    let (maybe, keys) = (any::<bool>(), prop::option::weighted(0.4, 0..3_u8));
    let some_token = prop::option::of(token()).boxed();
    prop_oneof![
        8 => create().prop_map(Step::Create),
        4 => (session.clone(), some_token.clone(), maybe)
            .prop_map(|(session, token, is_interactive)| Step::Validate { session, token, is_interactive }),
        8 => (session.clone(), token()).prop_map(|(session, token)| Step::Refresh { session, token }),
        2 => (session.clone(), some_token).prop_map(|(session, token)| Step::Touch { session, token }),
        1 => (session.clone(), keys.clone()).prop_map(|(session, key)| Step::Update { session, key }),
        3 => (session.clone(), token(), maybe).prop_map(|(session, token, keep_signed_in)| Step::Reauthenticate {
            session,
            token,
            keep_signed_in
        }),
        4 => (session.clone(), keys.clone()).prop_map(|(session, key)| Step::Revoke { session, key }),
        4 => (scope(), keys).prop_map(|(scope, key)| Step::Cut { scope, key }),
        1 => session.clone().prop_map(|session| Step::RevokeOthers { session }),
        1 => scope().prop_map(|scope| Step::Close { scope }),
        1 => scope().prop_map(|scope| Step::Open { scope }),
        3 => policy().prop_map(Step::PutPolicy),
        3 => session.clone().prop_map(Step::Repeat),
        1 => session.clone().prop_map(|session| Step::Trespass { session }),
        6 => wait(session).prop_map(Step::Wait),
        4 => Just(Step::Sweep),
        1 => Just(Step::Tidy),
    ]
}

fn create() -> impl Strategy<Value = Create> {
    let kind = prop_oneof![3 => Just(Kind::Sso), 5 => Just(Kind::Application), 1 => Just(Kind::Participant)];
    let parent = prop::option::weighted(0.6, 0..64_usize);
    let flags = (prop::bool::weighted(0.2), any::<bool>(), prop::bool::weighted(0.3));
    let key = prop::option::weighted(0.3, 0..3_u8);
    (0..USERS.len(), kind, 0..APPLICATIONS.len(), parent, flags, key).prop_map(
        |(user, kind, application, parent, (survives_parent, keep_signed_in, is_reusable), key)| Create {
            user,
            kind,
            application,
            parent: parent.filter(|_| kind != Kind::Sso),
            survives_parent,
            keep_signed_in,
            is_reusable,
            key,
        },
    )
}

fn token() -> impl Strategy<Value = Token> {
    prop_oneof![6 => Just(Token::Back(0)), 4 => (1..4_usize).prop_map(Token::Back), 1 => Just(Token::Forged)]
}

fn scope() -> impl Strategy<Value = Scope> {
    (0..USERS.len(), prop::bool::weighted(0.3), prop::option::of(0..APPLICATIONS.len()))
        .prop_map(|(user, is_tenant, application)| Scope { user, is_tenant, application })
}

/// Shorter and longer than the deployment's, each of them for some kind of session.
fn policy() -> impl Strategy<Value = Policy> {
    const IDLE: [i64; 3] = [10 * 60_000, 45 * 60_000, 10 * 3_600_000];
    const ABSOLUTE: [i64; 3] = [20 * 60_000, 5 * 3_600_000, 50 * 3_600_000];
    let applications = prop::option::of(0..APPLICATIONS.len());
    let limits = [IDLE, ABSOLUTE].map(|choice| prop::option::weighted(0.7, prop::sample::select(choice.to_vec())));
    (0..USERS.len(), applications, limits, any::<bool>()).prop_map(
        |(user, application, [idle, absolute], is_of_sso)| Policy {
            user,
            application,
            idle,
            absolute,
            is_of_sso: is_of_sso && application.is_none(),
        },
    )
}

fn wait(session: std::ops::Range<usize>) -> impl Strategy<Value = Wait> {
    const MS: [u64; 9] = [1, 1_000, 9_999, 10_000, 59_999, 60_000, 20 * 60_000, 5 * 3_600_000, 30 * 3_600_000];
    let limit = (session, any::<bool>(), -1..2_i64);
    prop_oneof![
        2 => prop::sample::select(&MS[..]).prop_map(Wait::Ms),
        1 => limit.prop_map(|(session, is_idle, off_by)| Wait::Limit { session, is_idle, off_by }),
    ]
}
