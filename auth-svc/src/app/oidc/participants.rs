//! Who takes part in an SSO session, and who of them is told by the browser when it ends (OpenID Connect Front-Channel
//! Logout 1.0).
//!
//! What a browser shows of another site in a frame has no cookies in most browsers, so this is a bonus: the same end is
//! told by logout tokens, from server to server, which are retried.

use std::collections::BTreeMap;

use proto::session::v1 as pb;
use url::Url;

use crate::{
    app::{Adapters, Auth, tokens::sid_of},
    domain::{
        ending::{Cause, Child, Fate},
        settings::LogoutReach,
    },
    error::AuthError,
    ports::{ApplicationStore as _, SessionRef, Sessions as _, SessionsError},
};

/// Most applications that a browser is made to open at once.
const FRAMES_MAX: usize = 32;

/// Who asks for a logout, and how far it goes.
#[derive(Clone, Debug, Default)]
pub struct Leave {
    /// The application that asks; empty when the user asks here.
    pub asking: String,
    /// Whom else it takes along.
    pub reach: LogoutReach,
}

/// A session that ends with an SSO session, and whom to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ending {
    session: String,
    application: String,
    /// The `sid` that the application knows.
    sid: String,
    /// How it ends.
    fate: Fate,
}

impl<A: Adapters> Auth<A> {
    /// Ends an SSO session, or an application's that nothing is under: first the sessions that the logout takes along although
    /// they would live on, then the session and those that end with it. Whoever is interrupted in between is signed in still
    /// and can ask again.
    ///
    /// Returns the addresses that the browser must open to tell those whose sessions end.
    ///
    /// # Errors
    /// session-svc or the store is away.
    pub async fn leave(&self, sso: &pb::Session, leave: &Leave) -> Result<Vec<Url>, AuthError> {
        let ending = ending(leave, self.sessions.children(sso).await?);
        let addresses = self.front_channel(&sso.tenant_id, &ending).await?;
        for kept in ending.iter().filter(|ending| ending.fate == Fate::TakenAlong) {
            match self.sessions.revoke(SessionRef::Id(&kept.session), Cause::Logout.rule().reason).await {
                Ok(_) | Err(SessionsError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.end_sso_session(sso).await?;
        Ok(addresses)
    }

    async fn front_channel(&self, tenant: &str, ending: &[Ending]) -> Result<Vec<Url>, AuthError> {
        let issuer = self.settings.issuer(tenant);
        // Each application once, with the newest sid that it knows; those that come later are older.
        let mut newest = BTreeMap::new();
        for ending in ending {
            newest.entry(&ending.application).or_insert(&ending.sid);
        }
        let mut addresses = Vec::new();
        for (application, sid) in newest {
            let application = self.store.application(application).await?;
            let target = application.map(|found| found.settings.frontchannel_logout.uri).unwrap_or_default();
            let Ok(mut url) = Url::parse(&target) else { continue };
            // Both or neither (§3): with both, nobody can be logged out by a page that only knows the address.
            url.query_pairs_mut().append_pair("iss", &issuer).append_pair("sid", sid);
            addresses.push(url);
        }
        addresses.truncate(FRAMES_MAX);
        Ok(addresses)
    }
}

/// The sessions that end, newest first as they came.
fn ending(leave: &Leave, children: Vec<pb::Session>) -> Vec<Ending> {
    let mut found = Vec::new();
    for child in children {
        let is_record = child.kind() == pb::SessionKind::Participant;
        let is_kept = child.on_parent_end() == pb::OnParentEnd::Keep;
        let fate = Child { application: &child.application_id, is_record, is_kept }.fate(&leave.asking, &leave.reach);
        if fate == Fate::LivesOn {
            continue;
        }
        let sid = sid_of(&child).to_owned();
        found.push(Ending { session: child.id, application: child.application_id, sid, fate });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(id: &str, application: &str, kind: pb::SessionKind, end: pb::OnParentEnd) -> pb::Session {
        pb::Session {
            id: id.to_owned(),
            parent_id: "sess_sso".to_owned(),
            application_id: application.to_owned(),
            kind: kind.into(),
            on_parent_end: end.into(),
            ..pb::Session::default()
        }
    }

    #[test]
    fn who_lives_on_ends_only_when_the_logout_takes_it_along() {
        use pb::{
            OnParentEnd::{Keep, Revoke},
            SessionKind::{Application, Participant},
        };
        let children = [
            child("sess_web", "web", Application, Revoke),
            child("sess_kept", "kept", Application, Keep),
            child("sess_mobile", "mobile", Application, Keep),
            child("sess_record", "managed", Participant, Keep),
        ];
        let listed = LogoutReach::Listed(vec!["mobile".to_owned()]);
        for (asking, reach, expected) in [
            ("", LogoutReach::Own, "sess_web sess_sso"),
            ("web", LogoutReach::Own, "sess_web sess_sso"),
            ("kept", LogoutReach::Own, "sess_web sess_kept sess_sso"),
            ("web", listed.clone(), "sess_web sess_mobile sess_sso"),
            ("kept", listed, "sess_web sess_kept sess_mobile sess_sso"),
            ("web", LogoutReach::All, "sess_web sess_kept sess_mobile sess_sso"),
        ] {
            let leave = Leave { asking: asking.to_owned(), reach };
            let told: Vec<String> = ending(&leave, children.to_vec()).into_iter().map(|ending| ending.sid).collect();
            assert_eq!(told.join(" "), expected, "{leave:?}");
        }
    }
}
