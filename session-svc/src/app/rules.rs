//! Reads sessions under the policies in force: every use case that asks whether a session lives reads it here.

use super::Sessions;
use crate::{
    domain::{cutoff::Cutoffs, id::SessionId, policy::Layers, refresh::RefreshTerms, session::Session, times::Times},
    error::SessionError,
    ports::{Loaded, Read, SessionStore},
};

impl<S: SessionStore> Sessions<S> {
    /// Loads a session as policies rule it now.
    pub(super) async fn load(&self, id: SessionId) -> Result<Loaded, SessionError> {
        let mut loaded = self.store.load(id).await?;
        if let Some(read) = &mut loaded.read {
            rule(read, &loaded.cutoffs);
        }
        Ok(loaded)
    }

    /// Limits that a use of a session grants now.
    pub(super) fn granted(&self, session: &Session, cutoffs: &Cutoffs) -> Times {
        around(session, cutoffs).granted(&self.policies, session)
    }

    /// What a refresh of a session is decided by.
    pub(super) fn refresh_terms(&self, session: &Session, cutoffs: &Cutoffs) -> RefreshTerms {
        let policy = around(session, cutoffs).refresh(&self.policies);
        RefreshTerms { policy, granted: self.granted(session, cutoffs) }
    }
}

/// Puts the policies in force that came with the cutoffs.
pub(super) fn rule(read: &mut Read, cutoffs: &Cutoffs) {
    let session = &mut read.stored.session;
    let policies = cutoffs.policies.around(&session.owner.tenant, session.application.as_ref());
    session.caps = policies.caps(session);
}

/// The policies that concern a session.
pub(super) fn around<'c>(session: &Session, cutoffs: &'c Cutoffs) -> Layers<'c> {
    cutoffs.policies.around(&session.owner.tenant, session.application.as_ref())
}
