//! Logout that an application asks for (OpenID Connect RP-Initiated Logout 1.0), in its simple form.

use proto::session::v1 as pb;

use crate::{
    app::{Adapters, Auth, introspection::is_living, oidc::participants::Leave, tokens::IdClaims},
    domain::authorize::Parameters,
    error::AuthError,
    ports::{ApplicationStore as _, SessionRef, Sessions as _, SessionsError},
};

/// What a request to log out comes to, before anything ends.
#[derive(Debug, PartialEq)]
pub struct LogoutPlan {
    /// What ends; `None` when everything has ended already.
    pub session: Option<pb::Session>,
    /// Whether the user must confirm: nobody proved that the user is meant.
    pub must_confirm: bool,
    /// The application that asks; empty when none proved that it does.
    pub asking: String,
    /// Where to go afterwards; `None` shows our own page.
    pub redirect: Option<String>,
}

impl<A: Adapters> Auth<A> {
    /// Decides what a logout request comes to.
    ///
    /// A hint that we signed ties the request to an application and a session. Without one nothing is redirected, and a
    /// user who is signed in is asked first, so that no foreign page can log anybody out. `sso` is the browser's session;
    /// where it has none, the one that the hint names ends, and the user is asked as well: whose browser it is is not proven.
    ///
    /// # Errors
    /// `Err` names what is wrong with the request; the outer one is a failure of the store.
    pub async fn plan_logout(
        &self,
        tenant: &str,
        parameters: &Parameters,
        sso: Option<&pb::Session>,
    ) -> Result<Result<LogoutPlan, &'static str>, AuthError> {
        let issuer = self.settings.issuer(tenant);
        let hint = match parameters.get("id_token_hint") {
            Some(hint) => match self.read_id_token(hint, &issuer) {
                Some(claims) => Some(claims),
                None => return Ok(Err("The id_token_hint is not one of ours.")),
            },
            None => None,
        };
        if let (Some(hint), Some(client)) = (&hint, parameters.get("client_id"))
            && hint.aud != client
        {
            return Ok(Err("The client_id does not belong to the id_token_hint."));
        }
        let redirect = match (parameters.get("post_logout_redirect_uri"), &hint) {
            (None, _) => None,
            (Some(_), None) => return Ok(Err("A post_logout_redirect_uri needs an id_token_hint.")),
            (Some(uri), Some(hint)) => {
                let application = self.store.application(&hint.aud).await?.filter(|found| found.tenant == tenant);
                let is_registered =
                    application.is_some_and(|found| found.post_logout_redirect_uris.iter().any(|known| known == uri));
                if !is_registered {
                    return Ok(Err("The application did not register this post_logout_redirect_uri."));
                }
                Some(with_state(uri, parameters.get("state")))
            }
        };
        let (session, is_proven) = match (sso, &hint) {
            (Some(sso), Some(hint)) => (Some(sso.clone()), self.is_meant(sso, hint).await?),
            (None, Some(hint)) => (self.named_by(hint).await?, false),
            (sso, None) => (sso.cloned(), false),
        };
        let must_confirm = session.is_some() && !is_proven;
        let asking = hint.map(|hint| hint.aud).unwrap_or_default();
        Ok(Ok(LogoutPlan { session, must_confirm, asking, redirect }))
    }

    /// How far a logout goes that `asking` asks for.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn leave_of(&self, tenant: &str, asking: String) -> Result<Leave, AuthError> {
        let application = match asking.as_str() {
            "" => None,
            id => self.store.application(id).await?.filter(|found| found.tenant == tenant),
        };
        let reach = application.map(|found| found.settings.logout_reach).unwrap_or_default();
        Ok(Leave { asking, reach })
    }

    /// Says whether an ID token was issued under this SSO session. One from an earlier sign-in of the same user proves
    /// nothing about this one: it may be years old and in anybody's log.
    async fn is_meant(&self, sso: &pb::Session, hint: &IdClaims) -> Result<bool, AuthError> {
        if hint.sub != sso.user_id {
            return Ok(false);
        }
        if hint.sid == sso.id {
            return Ok(true);
        }
        let session = self.sessions.look(SessionRef::Id(&hint.sid)).await?;
        Ok(session.is_some_and(|session| session.parent_id == sso.id))
    }

    /// The session that an ID token names and that lives: the SSO session that it was issued under or, where that is over or
    /// there was none, the application's own.
    async fn named_by(&self, hint: &IdClaims) -> Result<Option<pb::Session>, AuthError> {
        // One that is over still says what it was opened under: applications revoke their tokens before they send the browser.
        let Some(named) = self.sessions.look(SessionRef::Id(&hint.sid)).await? else { return Ok(None) };
        let sso = match named.parent_id.as_str() {
            "" => None,
            parent => self.living(parent).await?,
        };
        Ok(sso.or_else(|| Some(named).filter(is_living)))
    }

    /// Ends an SSO session, and with it the sessions that were opened under it.
    ///
    /// # Errors
    /// session-svc or the store is away.
    pub async fn end_sso_session(&self, sso: &pb::Session) -> Result<(), AuthError> {
        match self.logout(SessionRef::Id(&sso.id)).await {
            Ok(_) | Err(AuthError::Sessions(SessionsError::NotFound)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn with_state(uri: &str, state: Option<&str>) -> String {
    match (url::Url::parse(uri), state) {
        (Ok(mut url), Some(state)) => {
            url.query_pairs_mut().append_pair("state", state);
            url.to_string()
        }
        _ => uri.to_owned(),
    }
}
