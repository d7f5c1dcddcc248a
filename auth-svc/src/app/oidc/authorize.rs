//! From an authorization request to a code, by way of the SSO session.

use proto::session::v1 as pb;
use secrecy::SecretString;
use svc_kit::{clock::Timestamp, secret};

use crate::{
    app::{Adapters, Auth, oidc::sso::Arrival},
    domain::{
        application::Application,
        authorize::AuthorizationRequest,
        event::What,
        grant::{CODE_LIFETIME, Grant},
        user::User,
    },
    error::AuthError,
    ports::{GrantStore as _, SessionRef, Sessions as _, UserStore as _},
};

/// What a browser that is signed in has: the session and its token.
#[derive(Debug)]
pub struct SignedIn {
    /// The SSO session.
    pub session: pb::Session,
    /// Its token, the new value of the cookie.
    pub token: SecretString,
    /// What the application's request comes to.
    pub answer: Answer,
}

/// What a request comes to in a browser that has an SSO session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The code for the application.
    Code(String),
    /// The user must sign in: nobody did whom the application asks for, or too long ago.
    SignIn,
    /// The application does not let the user in.
    NotRegistered,
    /// The user must be asked first whether the application may know them.
    Consent {
        /// What the user signs in with.
        login: String,
    },
}

/// What the sign-in form says.
#[derive(Debug)]
pub struct Credentials {
    /// Login, as typed.
    pub login: String,
    /// Password, as typed.
    pub password: SecretString,
    /// Whether to keep the user signed in.
    pub keep_signed_in: bool,
    /// `User-Agent` of the browser.
    pub user_agent: String,
    /// IP address of the browser, as far as that is known.
    pub address: String,
}

impl<A: Adapters> Auth<A> {
    /// Says whether a request is for `user`, by its hint and its claims; absent ones are for everybody. The hint was checked
    /// before as one of ours.
    fn is_hinted(&self, tenant: &str, request: &AuthorizationRequest, user: &str) -> bool {
        let (hint, sub) = (&request.id_token_hint, &request.claims.sub);
        let is_claimed = sub.is_empty() || sub == user;
        is_claimed
            && (hint.is_empty()
                || self.read_id_token(hint, &self.settings.issuer(tenant)).is_some_and(|claims| claims.sub == user))
    }

    /// Says whether the hint of a request, if any, is an ID token of this tenant's issuer, ended or not.
    pub fn is_hint_ours(&self, tenant: &str, request: &AuthorizationRequest) -> bool {
        let hint = &request.id_token_hint;
        hint.is_empty() || self.read_id_token(hint, &self.settings.issuer(tenant)).is_some()
    }

    /// Returns the SSO session that a cookie's value is good for, in this tenant.
    ///
    /// # Errors
    /// session-svc is away.
    pub async fn sso_session(&self, tenant: &str, cookie: Option<&str>) -> Result<Option<pb::Session>, AuthError> {
        let Some(token) = cookie else { return Ok(None) };
        let session = self.sessions.validate(SessionRef::Token(token), true).await?;
        let is_sso =
            |session: &pb::Session| session.kind == i32::from(pb::SessionKind::Sso) && session.tenant_id == tenant;
        Ok(session.filter(is_sso))
    }

    /// Answers a request from an SSO session, without asking anybody.
    ///
    /// # Errors
    /// A failure.
    pub async fn authorize_silently(
        &self,
        request: &AuthorizationRequest,
        application: &Application,
        sso: &pb::Session,
    ) -> Result<Answer, AuthError> {
        let authenticated_at = authenticated_at(sso);
        let is_meant = self.is_hinted(&sso.tenant_id, request, &sso.user_id);
        let is_recent = request.accepts(authenticated_at, self.clock.now());
        if !is_meant || !is_recent || !self.serves_others(sso).await? {
            return Ok(Answer::SignIn);
        }
        let Some(user) = self.user_of(sso).await? else { return Ok(Answer::SignIn) };
        if !self.is_let_in(application, &user.id).await? {
            return Ok(Answer::NotRegistered);
        }
        if self.must_ask(request, application, &user.id).await? {
            return Ok(Answer::Consent { login: user.login.as_str().to_owned() });
        }
        self.issue_code(request, sso, user.epoch).await.map(Answer::Code)
    }

    /// Signs a user in at the hosted page. The value that the cookie had dies.
    ///
    /// # Errors
    /// [`AuthError::CredentialsRefused`], or a failure.
    pub async fn sign_in(
        &self,
        request: &AuthorizationRequest,
        application: &Application,
        credentials: Credentials,
        previous: Option<&str>,
    ) -> Result<SignedIn, AuthError> {
        let tenant = application.tenant.as_str();
        let (user, session, token) = self.sign_in_here(tenant, &request.client_id, credentials, previous).await?;
        // Somebody signed in, but nobody whom the application asked for (OpenID Connect Core 1.0 §3.1.2.1).
        let answer = if !self.is_hinted(tenant, request, user.id.as_str()) {
            Answer::SignIn
        } else if !self.is_let_in(application, &user.id).await? {
            Answer::NotRegistered
        } else if self.must_ask(request, application, &user.id).await? {
            Answer::Consent { login: user.login.as_str().to_owned() }
        } else {
            Answer::Code(self.issue_code(request, &session, user.epoch).await?)
        };
        Ok(SignedIn { session, token, answer })
    }

    /// Signs a user in to the browser's SSO session, on the way to an application. The value that the cookie had dies.
    ///
    /// # Errors
    /// What [`Self::authenticate`] finds, [`AuthError::PasswordChangeRequired`], or a failure.
    pub async fn sign_in_here(
        &self,
        tenant: &str,
        application: &str,
        credentials: Credentials,
        previous: Option<&str>,
    ) -> Result<(User, pb::Session, SecretString), AuthError> {
        let Credentials { login, password, keep_signed_in, user_agent, address } = credentials;
        let user = self.authenticate(tenant, application, &login, password, &address).await?;
        if user.must_change_password {
            return Err(self.turned_away(&user, application, &address, AuthError::PasswordChangeRequired).await?);
        }
        let (session, token) = self.enter(&user, Arrival { user_agent, keep_signed_in }, previous).await?;
        let what = What::LoginSuccess {
            user: user.id.to_string(),
            application: application.to_owned(),
            session: session.id.clone(),
        };
        self.store.tell(&self.event(tenant, "", what)).await?;
        Ok((user, session, token))
    }

    pub(super) async fn issue_code(
        &self,
        request: &AuthorizationRequest,
        sso: &pb::Session,
        epoch: i64,
    ) -> Result<String, AuthError> {
        let code = self.random_text();
        let now = self.clock.now();
        let grant = Grant {
            tenant: sso.tenant_id.clone(),
            client_id: request.client_id.clone(),
            user_id: sso.user_id.clone(),
            redirect_uri: request.redirect_uri.clone(),
            scopes: request.scopes.clone(),
            nonce: request.nonce.clone(),
            challenge: request.challenge.clone(),
            dpop_jkt: request.dpop_jkt.clone(),
            resources: request.resources.clone(),
            claims: request.claims.clone(),
            sso_session: sso.id.clone(),
            authenticated_at: authenticated_at(sso),
            epoch,
        };
        self.spend(request).await?;
        let hash = secret::sha256(code.as_bytes());
        self.store.add_code(hash, &grant, now, now.saturating_add(CODE_LIFETIME)).await?;
        Ok(code)
    }
}

pub(super) fn authenticated_at(session: &pb::Session) -> Timestamp {
    session.authenticated_at.as_ref().and_then(|at| Timestamp::from_proto(at).ok()).unwrap_or(Timestamp::EPOCH)
}
