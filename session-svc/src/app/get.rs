//! Returns one session.

use svc_kit::access::Caller;

use super::Sessions;
use crate::{
    domain::{id::SessionId, session::Stored},
    error::SessionError,
    ports::SessionStore,
};

impl<S: SessionStore> Sessions<S> {
    /// Returns a session as it reads now, alive or ended within the last day.
    ///
    /// # Errors
    /// [`SessionError::SessionNotFound`], or a failure of the store.
    pub async fn get(&self, caller: &Caller, id: SessionId) -> Result<Stored, SessionError> {
        let (read, cutoffs) = self.find(caller, id).await?;
        Ok(read.ok_or(SessionError::SessionNotFound)?.stored.as_of(self.clock.now(), &cutoffs))
    }
}
