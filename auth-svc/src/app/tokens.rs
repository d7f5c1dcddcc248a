//! What tokens say.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proto::session::v1::{Session, SessionKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use svc_kit::{clock::Timestamp, entropy, id::encode_base32, secret};

use super::{Adapters, Auth};
use crate::{
    domain::{application::Application, keys::SigningAlgorithm},
    error::AuthError,
    ports::Tokens,
};

/// `typ` of access tokens (RFC 9068 §2.1).
pub const ACCESS: &str = "at+jwt";
/// `typ` of ID tokens.
pub const ID: &str = "JWT";

/// `typ` of what UserInfo tells; not the one of ID tokens, so that none passes for the other.
pub const USERINFO: &str = "userinfo+jwt";
/// `typ` of what introspection tells (RFC 9701 §5).
pub const INTROSPECTION: &str = "token-introspection+jwt";

/// Claims of an access token (RFC 9068 §2.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Issuer.
    pub iss: String,
    /// User, or the application itself.
    pub sub: String,
    /// For whom.
    pub aud: Audience,
    /// Application that it was issued to.
    pub client_id: String,
    /// Tenant.
    pub tenant_id: String,
    /// When it was issued, in seconds.
    pub iat: i64,
    /// When it ends.
    pub exp: i64,
    /// Names the token.
    pub jti: String,
    /// Scopes, between spaces.
    pub scope: String,
    /// Session, as the ID token names it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sid: String,
    /// The record of the part that an application with sessions of its own takes in the session `sid`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub participant: String,
    /// When the user proved who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// What whoever presents it must show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// What UserInfo tells besides the claims of the scopes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub userinfo_claims: Vec<String>,
}

impl AccessClaims {
    /// The session that the token lives and ends with; empty for an application's own token.
    pub fn session(&self) -> &str {
        if self.participant.is_empty() { &self.sid } else { &self.participant }
    }
}

/// For whom a token is: one, or several (RFC 7519 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Audience {
    /// Says whether `name` is among them.
    pub fn includes(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Many(many) => many.iter().any(|one| one == name),
        }
    }
}

/// What whoever presents a token must show (RFC 7800).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The key with this thumbprint (RFC 9449 §6.1).
    pub jkt: String,
}

/// What the tokens of one answer are made for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms<'a> {
    /// The nonce of the authorization request; empty for none.
    pub nonce: &'a str,
    /// Thumbprint of the key that the access token is bound to.
    pub key: Option<&'a str>,
    /// Resources that the access token is for; empty for those of the session.
    pub resources: &'a [String],
    /// Claims of the user that the ID token tells.
    pub told: Option<&'a Map<String, Value>>,
}

/// The attributes of a session that say what its access tokens are for, and what UserInfo tells besides the claims of the
/// scopes; both as names between spaces.
pub const RESOURCES_ATTRIBUTE: &str = "latchkey.resources";
/// See [`RESOURCES_ATTRIBUTE`].
pub const CLAIMS_ATTRIBUTE: &str = "latchkey.userinfo_claims";

/// The names that an attribute of a session lists.
pub fn listed(session: &Session, attribute: &str) -> Vec<String> {
    let names = session.attributes.get(attribute).map(String::as_str).unwrap_or_default();
    names.split_ascii_whitespace().map(str::to_owned).collect()
}

/// The `sid` by which an application knows a session: an application that keeps its own knows ours by the SSO session, whose
/// end it is told of.
pub fn sid_of(session: &Session) -> &str {
    if is_record(session) { &session.parent_id } else { &session.id }
}

fn is_record(session: &Session) -> bool {
    session.kind() == SessionKind::Participant
}

/// Claims of an ID token (OpenID Connect Core 1.0 §2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IdClaims {
    /// Issuer.
    pub iss: String,
    /// User.
    pub sub: String,
    /// Application.
    pub aud: String,
    /// When it was issued, in seconds.
    pub iat: i64,
    /// When it ends.
    pub exp: i64,
    /// When the user proved who they are.
    pub auth_time: i64,
    /// Session.
    pub sid: String,
    /// Authentication methods (RFC 8176).
    pub amr: Vec<String>,
    /// From the authorization request.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub nonce: String,
    /// Half of the access token's hash.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub at_hash: String,
    /// Claims of the user that were asked for by name.
    #[serde(flatten)]
    pub told: Map<String, Value>,
}

/// What a client gets.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TokenSet {
    /// Access token.
    pub access_token: String,
    /// `Bearer`, or `DPoP` when it is bound to a key.
    pub token_type: &'static str,
    /// Seconds until it ends.
    pub expires_in: u64,
    /// Refresh token.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub refresh_token: String,
    /// ID token.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id_token: String,
    /// Scopes granted.
    pub scope: String,
}

/// Half of a token's hash, by the hash function of the algorithm that signs it (OpenID Connect Core 1.0 §3.1.3.6); that of
/// Ed25519 is SHA-512.
fn half_hash(algorithm: SigningAlgorithm, token: &str) -> String {
    match algorithm {
        SigningAlgorithm::Rs256 | SigningAlgorithm::Es256 => {
            URL_SAFE_NO_PAD.encode(&secret::sha256(token.as_bytes())[..16])
        }
        SigningAlgorithm::EdDsa => URL_SAFE_NO_PAD.encode(&secret::sha512(token.as_bytes())[..32]),
    }
}

fn token_type(key: Option<&str>) -> &'static str {
    if key.is_some() { "DPoP" } else { "Bearer" }
}

impl<A: Adapters> Auth<A> {
    /// Makes the tokens that go with a session.
    ///
    /// # Errors
    /// Signing fails.
    pub fn tokens_for(
        &self,
        application: &Application,
        session: &Session,
        refresh_token: String,
        terms: &Terms<'_>,
    ) -> Result<TokenSet, AuthError> {
        let now = self.clock.now();
        let authenticated_at = session.authenticated_at.as_ref().and_then(|at| Timestamp::from_proto(at).ok());
        let auth_time = authenticated_at.unwrap_or(now).as_secs();
        let access = AccessClaims {
            sid: sid_of(session).to_owned(),
            participant: if is_record(session) { session.id.clone() } else { String::new() },
            auth_time: Some(auth_time),
            aud: match terms.resources {
                [] => self.audience(listed(session, RESOURCES_ATTRIBUTE)),
                asked => self.audience(asked.to_vec()),
            },
            userinfo_claims: listed(session, CLAIMS_ATTRIBUTE),
            ..self.access_claims(application, &session.user_id, session.scopes.join(" "), terms.key)
        };
        let access_token = self.tokens.sign(ACCESS, application.settings.signing_algorithm, &access)?;
        let id_token = if session.scopes.iter().any(|scope| scope == "openid") {
            let claims = IdClaims {
                iss: access.iss,
                sub: session.user_id.clone(),
                aud: application.id.clone(),
                iat: access.iat,
                exp: access.exp,
                auth_time,
                sid: access.sid,
                amr: session.amr.clone(),
                nonce: terms.nonce.to_owned(),
                at_hash: half_hash(application.settings.signing_algorithm, &access_token),
                told: terms.told.cloned().unwrap_or_default(),
            };
            self.tokens.sign(ID, application.settings.signing_algorithm, &claims)?
        } else {
            String::new()
        };
        let expires_in = self.settings.access_token_lifetime.as_secs();
        let scope = access.scope;
        let token_type = token_type(terms.key);
        Ok(TokenSet { access_token, token_type, expires_in, refresh_token, id_token, scope })
    }

    /// Makes the access token that an application gets for itself, bound to a key if it shows one.
    ///
    /// # Errors
    /// Signing fails.
    pub fn own_token(
        &self,
        application: &Application,
        scope: String,
        terms: &Terms<'_>,
    ) -> Result<TokenSet, AuthError> {
        let claims = AccessClaims {
            aud: self.audience(terms.resources.to_vec()),
            ..self.access_claims(application, &application.id, scope, terms.key)
        };
        let access_token = self.tokens.sign(ACCESS, application.settings.signing_algorithm, &claims)?;
        let expires_in = self.settings.access_token_lifetime.as_secs();
        let (token_type, scope) = (token_type(terms.key), claims.scope);
        Ok(TokenSet { access_token, token_type, expires_in, scope, ..TokenSet::default() })
    }

    /// The resources that a token is for, or our own services.
    fn audience(&self, mut resources: Vec<String>) -> Audience {
        match (resources.pop(), resources.is_empty()) {
            (None, _) => Audience::One(self.settings.audience.clone()),
            (Some(only), true) => Audience::One(only),
            (Some(last), false) => Audience::Many([resources, vec![last]].concat()),
        }
    }

    fn access_claims(
        &self,
        application: &Application,
        subject: &str,
        scope: String,
        key: Option<&str>,
    ) -> AccessClaims {
        let now = self.clock.now();
        AccessClaims {
            iss: self.settings.issuer(&application.tenant),
            sub: subject.to_owned(),
            aud: Audience::default(),
            client_id: application.id.clone(),
            tenant_id: application.tenant.clone(),
            iat: now.as_secs(),
            exp: now.saturating_add(self.settings.access_token_lifetime).as_secs(),
            jti: encode_base32(&entropy::bytes::<16>(&*self.entropy)),
            scope,
            sid: String::new(),
            participant: String::new(),
            auth_time: None,
            cnf: key.map(|jkt| Confirmation { jkt: jkt.to_owned() }),
            userinfo_claims: Vec::new(),
        }
    }

    /// Returns the claims of an access token of ours that has not ended.
    pub fn read_access_token(&self, token: &str) -> Option<AccessClaims> {
        let claims: AccessClaims = serde_json::from_value(self.tokens.verify(ACCESS, token)?).ok()?;
        let is_ours = claims.iss == self.settings.issuer(&claims.tenant_id);
        (is_ours && self.clock.now().as_secs() < claims.exp).then_some(claims)
    }

    /// Returns the claims of an ID token of ours, ended or not: a hint at who somebody was.
    pub fn read_id_token(&self, token: &str, issuer: &str) -> Option<IdClaims> {
        let claims: IdClaims = serde_json::from_value(self.tokens.verify(ID, token)?).ok()?;
        (claims.iss == issuer).then_some(claims)
    }
}
