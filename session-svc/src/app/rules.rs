//! Reads sessions under the policies in force: every use case that asks whether a session lives reads it here.

use std::sync::Arc;

use svc_kit::clock::Timestamp;

use super::Sessions;
use crate::{
    domain::{cutoff::Cutoffs, id::SessionId, policy::Layers, refresh::RefreshTerms, session::Session, times::Times},
    error::SessionError,
    ports::{Loaded, Read, SessionStore},
};

impl<S: SessionStore> Sessions<S> {
    /// Loads a session as policies rule it now.
    pub(super) async fn load(&self, id: SessionId) -> Result<(Option<Read>, Arc<Cutoffs>), SessionError> {
        let Loaded { mut read, cutoffs } = self.store.load(id).await?;
        if let Some(read) = &mut read {
            self.rule(read, &cutoffs);
        }
        Ok((read, cutoffs))
    }

    /// Puts the policies in force that came with the cutoffs.
    pub(super) fn rule(&self, read: &mut Read, cutoffs: &Cutoffs) {
        let session = read.stored.session_mut();
        session.caps = around(session, cutoffs).caps(&self.policies, session);
    }

    /// Records a use of a session, if the last record is old enough. Says whether it did.
    pub(super) fn touch_now(&self, session: &mut Session, cutoffs: &Cutoffs, ip_address: &str) -> bool {
        let now = self.clock.now();
        let granted = self.granted(session, cutoffs, now);
        session.touch(now, granted, ip_address)
    }

    /// Limits that a use of a session grants now.
    pub(super) fn granted(&self, session: &Session, cutoffs: &Cutoffs, now: Timestamp) -> Times {
        around(session, cutoffs).granted(&self.policies, session, now)
    }

    /// What a refresh of a session is decided by.
    pub(super) fn refresh_terms(&self, session: &Session, cutoffs: &Cutoffs, now: Timestamp) -> RefreshTerms {
        let policy = around(session, cutoffs).refresh(&self.policies);
        RefreshTerms { policy, granted: self.granted(session, cutoffs, now) }
    }
}

/// The policies that concern a session.
pub(super) fn around<'c>(session: &Session, cutoffs: &'c Cutoffs) -> Layers<'c> {
    cutoffs.policies.around(&session.owner.tenant, session.application.as_ref())
}
