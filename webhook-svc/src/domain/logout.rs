//! Back-channel logout (OpenID Connect Back-Channel Logout 1.0): who is told, and of which session.
//!
//! An application that has a logout address has an endpoint that follows its configuration. It is told of the end of its
//! sessions only, by the `sid` that it knows.

use serde::Deserialize;
use svc_kit::{clock::Timestamp, id::encode_base32, secret};

use super::{
    endpoint::{Endpoint, EndpointId, EventPattern, Kind, Manner},
    limits::Limits,
    signing::Signing,
};

/// The ends of sessions.
const TYPES: [&str; 2] = ["session.revoked", "session.expired"];
/// Why the endpoint of an application that has no logout address (any more) gets nothing.
const REMOVED: &str = "REMOVED";

/// Where an application wants to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutAddress {
    /// Tenant.
    pub tenant: String,
    /// Application.
    pub application: String,
    /// Address; `None` when it does not want to, or is deleted.
    pub url: Option<String>,
    /// Since when.
    pub at: Timestamp,
}

impl LogoutAddress {
    /// Returns the endpoint of the application: always under the same id.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            id: id_of(&self.tenant, &self.application),
            tenant: self.tenant.clone(),
            kind: Kind::BackchannelLogout,
            url: self.url.clone().unwrap_or_default(),
            description: format!("back-channel logout of {}", self.application),
            event_types: TYPES.iter().filter_map(|text| EventPattern::parse(text)).collect(),
            applications: vec![self.application.clone()],
            disabled: self.url.is_none().then(|| REMOVED.to_owned()),
            paused_at: None,
            limits: Limits::default(),
            is_ordered: false,
            signing: Signing::default(),
            manner: Manner::default(),
            created_at: self.at,
            updated_at: self.at,
        }
    }
}

#[expect(clippy::expect_used, reason = "the base32 of 16 bytes after the prefix is an id")]
fn id_of(tenant: &str, application: &str) -> EndpointId {
    let hash = secret::sha256(format!("back-channel logout {tenant} {application}").as_bytes());
    EndpointId::parse(&format!("{}{}", EndpointId::PREFIX, encode_base32(&hash[..16]))).expect("well-formed")
}

/// What a logout token has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutNotice {
    /// Tenant.
    pub tenant: String,
    /// Application to tell.
    pub application: String,
    /// User whose session ended.
    pub user: String,
    /// The `sid` that the application knows.
    pub session: String,
}

/// As much of a webhook body as matters here.
#[derive(Deserialize)]
struct Body {
    tenant_id: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    session: Session,
}

#[derive(Deserialize)]
struct Session {
    id: String,
    user_id: String,
    application_id: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    parent_id: String,
}

impl LogoutNotice {
    /// Reads the body of an event; `None` when it is not about a session of an application.
    pub fn read(payload: &str) -> Option<Self> {
        let Body { tenant_id, data: Data { session } } = serde_json::from_str(payload).ok()?;
        // An application that keeps its own sessions knows the SSO session from its ID token.
        let is_participant = session.kind == "SESSION_KIND_PARTICIPANT" && !session.parent_id.is_empty();
        let sid = if is_participant { session.parent_id } else { session.id };
        Some(Self { tenant: tenant_id, application: session.application_id, user: session.user_id, session: sid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(kind: &str) -> String {
        format!(
            r#"{{"type":"session.revoked","tenant_id":"acme","data":{{"session":{{"id":"sess_child","user_id":"user_ada",
               "application_id":"shop","kind":"{kind}","parent_id":"sess_sso","end_reason":"END_REASON_LOGOUT"}}}}}}"#
        )
    }

    #[test]
    fn an_application_is_told_by_the_sid_that_it_knows() {
        let sid = |kind| LogoutNotice::read(&body(kind)).unwrap().session;
        assert_eq!(sid("SESSION_KIND_PARTICIPANT"), "sess_sso");
        assert_eq!(sid("SESSION_KIND_APPLICATION"), "sess_child");
        let notice = LogoutNotice::read(&body("SESSION_KIND_APPLICATION")).unwrap();
        assert_eq!(
            (notice.tenant.as_str(), notice.application.as_str(), notice.user.as_str()),
            ("acme", "shop", "user_ada")
        );
    }

    #[test]
    fn what_is_not_about_a_session_of_an_application_says_nothing() {
        for text in
            ["", "{}", r#"{"tenant_id":"acme","data":{}}"#, r#"{"tenant_id":"acme","data":{"session":{"id":"s"}}}"#]
        {
            assert_eq!(LogoutNotice::read(text), None, "{text}");
        }
    }

    #[test]
    fn the_endpoint_of_an_application_keeps_its_id_and_gets_only_ends_of_its_sessions() {
        let at = Timestamp::from_ms(1_700_000_000_000);
        let address = LogoutAddress {
            tenant: "acme".to_owned(),
            application: "shop".to_owned(),
            url: Some("https://shop.example/logout".to_owned()),
            at,
        };
        let endpoint = address.endpoint();
        assert_eq!(endpoint.event_types.len(), TYPES.len());
        let gone = LogoutAddress { url: None, ..address.clone() }.endpoint();
        assert_eq!((gone.id, gone.disabled.as_deref()), (endpoint.id.clone(), Some(REMOVED)));
        let other = LogoutAddress { application: "mail".to_owned(), ..address }.endpoint();
        assert_ne!(other.id, endpoint.id);
    }
}
