//! Who takes part in an SSO session, and who of them is told by the browser when it ends (OpenID Connect Front-Channel
//! Logout 1.0).
//!
//! What a browser shows of another site in a frame has no cookies in most browsers, so this is a bonus: the same end is
//! told by logout tokens, from server to server, which are retried.

use std::collections::BTreeMap;

use proto::session::v1 as pb;
use url::Url;

use crate::{
    app::{Adapters, Auth},
    error::AuthError,
    ports::{ApplicationStore as _, Sessions as _},
};

/// Most applications that a browser is made to open at once.
const FRAMES_MAX: usize = 32;

impl<A: Adapters> Auth<A> {
    /// Returns the addresses that a browser must open to tell those whose sessions end with this SSO session. Asked before
    /// it ends.
    ///
    /// # Errors
    /// session-svc or the store is away.
    pub async fn front_channel(&self, sso: &pb::Session) -> Result<Vec<Url>, AuthError> {
        let issuer = self.settings.issuer(&sso.tenant_id);
        let mut addresses = Vec::new();
        for (application, sid) in ending(sso, self.sessions.children(sso).await?) {
            let application = self.store.application(&application).await?;
            let target = application.map(|found| found.settings.frontchannel_logout.uri).unwrap_or_default();
            let Ok(mut url) = Url::parse(&target) else { continue };
            // Both or neither (§3): with both, nobody can be logged out by a page that only knows the address.
            url.query_pairs_mut().append_pair("iss", &issuer).append_pair("sid", &sid);
            addresses.push(url);
        }
        addresses.truncate(FRAMES_MAX);
        Ok(addresses)
    }
}

/// The applications whose sessions end with the SSO session, each with the newest `sid` that it knows.
fn ending(sso: &pb::Session, children: Vec<pb::Session>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for child in children {
        let sid = match child.kind() {
            // An application that keeps its own sessions knows ours by the SSO session.
            pb::SessionKind::Participant => sso.id.clone(),
            _ if child.on_parent_end() == pb::OnParentEnd::Keep => continue,
            _ => child.id,
        };
        // Newest first: a later one is older.
        found.entry(child.application_id).or_insert(sid);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(id: &str, application: &str, kind: pb::SessionKind, end: pb::OnParentEnd) -> pb::Session {
        pb::Session {
            id: id.to_owned(),
            application_id: application.to_owned(),
            kind: kind.into(),
            on_parent_end: end.into(),
            ..pb::Session::default()
        }
    }

    #[test]
    fn each_application_whose_session_ends_is_told_once_by_the_sid_it_knows() {
        use pb::{
            OnParentEnd::{Keep, Revoke},
            SessionKind::{Application, Participant},
        };
        let sso = pb::Session { id: "sess_sso".to_owned(), ..pb::Session::default() };
        let children = vec![
            child("sess_new", "web", Application, Revoke),
            child("sess_old", "web", Application, Revoke),
            child("sess_kept", "mobile", Application, Keep),
            child("sess_record", "managed", Participant, Revoke),
        ];
        let expected = [("managed", "sess_sso"), ("web", "sess_new")];
        let expected = expected.map(|(application, sid)| (application.to_owned(), sid.to_owned()));
        assert_eq!(ending(&sso, children), BTreeMap::from(expected));
    }
}
