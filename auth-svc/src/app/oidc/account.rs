//! What users see of their own sessions, and how they end them.
//!
//! Looking needs the browser's SSO session. Ending needs a proof of who the user is that is not old, so that whoever finds
//! an open browser cannot end what its owner opened elsewhere (ASVS 5.0, 7.5.2).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proto::session::v1 as pb;

use crate::{
    app::{Adapters, Auth, oidc::authorize::authenticated_at},
    domain::{ending::Cause, user::User},
    error::AuthError,
    ports::{ApplicationStore as _, SessionRef, Sessions as _, SessionsError},
};

/// How old the proof of who the user is may be when something is to end.
const PROOF_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// What a user has open.
#[derive(Debug)]
pub struct Account {
    /// Whose it is.
    pub user: User,
    /// Where, this browser first, then newest first.
    pub places: Vec<Place>,
    /// Names of the applications, by id.
    pub names: BTreeMap<String, String>,
    /// Whether there is more than is read at once.
    pub has_more: bool,
}

/// A browser and what was opened in it, or one session that was opened without a browser that is signed in still.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The browser's session.
    pub browser: Option<pb::Session>,
    /// What was opened.
    pub opened: Vec<pb::Session>,
}

impl<A: Adapters> Auth<A> {
    /// Returns what the user of an SSO session has open; `None` when there is no such user any more.
    ///
    /// # Errors
    /// session-svc or the store is away.
    pub async fn account(&self, sso: &pb::Session) -> Result<Option<Account>, AuthError> {
        let Some(user) = self.user_of(sso).await? else { return Ok(None) };
        let (sessions, has_more) = self.sessions.of_user(&sso.tenant_id, &sso.user_id).await?;
        let mut names = BTreeMap::new();
        let applications: BTreeSet<&str> = sessions.iter().map(|session| session.application_id.as_str()).collect();
        for id in applications.into_iter().filter(|id| !id.is_empty()) {
            if let Some(application) = self.store.application(id).await? {
                names.insert(id.to_owned(), application.name);
            }
        }
        Ok(Some(Account { user, places: places(sessions, &sso.id), names, has_more }))
    }

    /// Says whether the user of an SSO session proved recently enough who they are to end sessions.
    pub fn may_end_own(&self, sso: &pb::Session) -> bool {
        self.clock.now().duration_since(authenticated_at(sso)) < PROOF_LIFETIME
    }

    /// Ends one of the sessions of the user of `sso`; what is not theirs, or over, is left as it is.
    ///
    /// # Errors
    /// session-svc or the store is away.
    pub async fn end_own(&self, sso: &pb::Session, session: &str) -> Result<(), AuthError> {
        let found = self.sessions.look(SessionRef::Id(session)).await?;
        match found.filter(|found| found.tenant_id == sso.tenant_id && found.user_id == sso.user_id) {
            Some(_) => self.end_if_there(session, Cause::UserEnds).await,
            None => Ok(()),
        }
    }

    /// Ends what the user of `sso` has open elsewhere than in this browser, as much of it as is read at once.
    ///
    /// # Errors
    /// session-svc or the store is away.
    pub async fn end_elsewhere(&self, sso: &pb::Session) -> Result<(), AuthError> {
        let (sessions, _) = self.sessions.of_user(&sso.tenant_id, &sso.user_id).await?;
        let elsewhere = places(sessions, &sso.id).into_iter().filter(|place| !place.is_browser(&sso.id));
        for session in elsewhere.flat_map(|place| place.browser.into_iter().chain(place.opened)) {
            self.end_if_there(&session.id, Cause::UserEndsElsewhere).await?;
        }
        Ok(())
    }

    async fn end_if_there(&self, session: &str, cause: Cause) -> Result<(), AuthError> {
        match self.end_and_tell(SessionRef::Id(session), cause).await {
            Ok(_) | Err(AuthError::Sessions(SessionsError::NotFound)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Place {
    /// Says whether it is the browser of an SSO session.
    pub fn is_browser(&self, sso: &str) -> bool {
        self.browser.as_ref().is_some_and(|browser| browser.id == sso)
    }
}

/// Puts sessions, which come newest first, where they were opened.
fn places(sessions: Vec<pb::Session>, here: &str) -> Vec<Place> {
    let (browsers, mut opened): (Vec<_>, Vec<_>) =
        sessions.into_iter().partition(|session| session.kind() == pb::SessionKind::Sso);
    let mut places = Vec::new();
    for browser in browsers {
        let inside = opened.extract_if(.., |session| session.parent_id == browser.id).collect();
        places.push(Place { browser: Some(browser), opened: inside });
    }
    places.extend(opened.into_iter().map(|session| Place { browser: None, opened: vec![session] }));
    places.sort_by_key(|place| !place.is_browser(here));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str, kind: pb::SessionKind, parent: &str) -> pb::Session {
        pb::Session { id: id.into(), kind: kind.into(), parent_id: parent.into(), ..pb::Session::default() }
    }

    #[test]
    fn sessions_are_where_they_were_opened_and_this_browser_comes_first() {
        use pb::SessionKind::{Application, Participant, Sso};
        let sessions = vec![
            session("tv", Application, ""),
            session("laptop", Sso, ""),
            session("shop", Application, "phone"),
            session("forum", Participant, "phone"),
            session("kept", Application, "gone"),
            session("mail", Application, "laptop"),
            session("phone", Sso, ""),
        ];
        let found = places(sessions, "phone");
        let named = |place: &Place| {
            let browser = place.browser.as_ref().map(|browser| browser.id.clone()).unwrap_or_default();
            let opened: Vec<&str> = place.opened.iter().map(|session| session.id.as_str()).collect();
            format!("{browser}: {}", opened.join(" "))
        };
        let found: Vec<String> = found.iter().map(named).collect();
        assert_eq!(found, ["phone: shop forum", "laptop: mail", ": tv", ": kept"]);
    }
}
