//! Says what tokens are good for right now.

use proto::session::v1 as pb;

use super::{
    Adapters, Auth,
    oidc::possession,
    tokens::{AccessClaims, Audience},
};
use crate::{
    error::AuthError,
    ports::{SessionRef, Sessions as _},
};

/// What a token is good for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Introspection {
    /// Subject.
    pub sub: String,
    /// Application.
    pub client_id: String,
    /// Tenant.
    pub tenant: String,
    /// Scopes.
    pub scope: String,
    /// Session, as the token names it.
    pub sid: String,
    /// The session that it lives and ends with; empty for an application's own token.
    pub session: String,
    /// `access_token` or `refresh_token`.
    pub token_use: &'static str,
    /// When it ends, in seconds.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// For whom.
    pub aud: Audience,
    /// Names an access token.
    pub jti: String,
    /// When the user proved who they are.
    pub auth_time: Option<i64>,
    /// Thumbprint of the key that whoever presents it must show; empty when anybody may.
    pub key: String,
}

impl<A: Adapters> Auth<A> {
    /// Says whether the session of an access token lives. A token without one is an application's own; it is as good as it
    /// says.
    ///
    /// # Errors
    /// session-svc is away.
    pub async fn is_live(&self, claims: &AccessClaims) -> Result<bool, AuthError> {
        if !claims.participant.is_empty() {
            // A record cannot be validated: it is there, or over.
            return Ok(self.living(&claims.participant).await?.is_some());
        }
        Ok(claims.sid.is_empty() || self.sessions.validate(SessionRef::Id(&claims.sid), false).await?.is_some())
    }

    /// Returns a session that lives, of whatever kind.
    ///
    /// # Errors
    /// session-svc is away.
    pub async fn living(&self, id: &str) -> Result<Option<pb::Session>, AuthError> {
        let found = self.sessions.look(SessionRef::Id(id)).await?;
        Ok(found.filter(is_living))
    }

    /// Says what a token is good for right now; `None` for nothing.
    ///
    /// # Errors
    /// session-svc is away.
    pub async fn introspect(&self, token: &str) -> Result<Option<Introspection>, AuthError> {
        if let Some(claims) = self.read_access_token(token) {
            if !self.is_live(&claims).await? {
                return Ok(None);
            }
            return Ok(Some(Introspection {
                session: claims.session().to_owned(),
                sub: claims.sub,
                client_id: claims.client_id,
                tenant: claims.tenant_id,
                scope: claims.scope,
                sid: claims.sid,
                token_use: "access_token",
                exp: claims.exp,
                iat: claims.iat,
                aud: claims.aud,
                jti: claims.jti,
                auth_time: claims.auth_time,
                key: claims.cnf.map(|confirmation| confirmation.jkt).unwrap_or_default(),
            }));
        }
        let session = self.sessions.validate(SessionRef::Token(token), false).await?;
        // The value of an SSO cookie is nobody's refresh token.
        let session = session.filter(|session| session.kind == i32::from(pb::SessionKind::Application));
        Ok(session.map(|session| Introspection {
            key: possession::key_of(&session).to_owned(),
            sub: session.user_id,
            aud: Audience::One(session.application_id.clone()),
            client_id: session.application_id,
            tenant: session.tenant_id,
            scope: session.scopes.join(" "),
            sid: session.id.clone(),
            session: session.id,
            token_use: "refresh_token",
            exp: session.expires_at.map_or(0, |at| at.seconds),
            iat: session.created_at.map_or(0, |at| at.seconds),
            jti: String::new(),
            auth_time: session.authenticated_at.map(|at| at.seconds),
        }))
    }
}

/// Says whether a session was alive when it was looked up.
pub(super) fn is_living(session: &pb::Session) -> bool {
    session.state() == pb::SessionState::Active
}
