//! What is sent in an attempt.

use svc_kit::{clock::Timestamp, error::chain};

use super::{Webhooks, catalogue};
use crate::{
    domain::{
        delivery::Verdict,
        endpoint::Kind,
        logout::LogoutNotice,
        payload::{self, Profile},
    },
    ports::{Claim, Content, DeliveryStore, LogoutTokens, Shipment, TokenError},
};

impl<S: DeliveryStore> Webhooks<S> {
    /// Makes what is sent at `now`: signed anew for each attempt.
    ///
    /// # Errors
    /// What becomes of an attempt that cannot be made: a fault of ours, or nobody is left to tell.
    pub(super) async fn shipment<T: LogoutTokens>(
        &self,
        claim: &Claim,
        tokens: &T,
        now: Timestamp,
    ) -> Result<Shipment, Verdict> {
        let content = match claim.endpoint.kind {
            Kind::Webhook => self.webhook(claim, now)?,
            Kind::BackchannelLogout => logout(claim, tokens).await?,
        };
        Ok(Shipment { url: claim.endpoint.url.clone(), at: now, content, trace: claim.event.trace.clone() })
    }

    fn webhook(&self, claim: &Claim, now: Timestamp) -> Result<Content, Verdict> {
        let opened = self.signers(&claim.endpoint, now).and_then(|it| Ok((it, self.open_headers(&claim.endpoint)?)));
        let (signers, headers) = opened.map_err(|error| {
            tracing::error!(error = chain(&error), delivery.id = %claim.id, "a secret cannot be opened");
            Verdict::Ours
        })?;
        Ok(Content::Webhook { id: claim.id.clone(), signers, headers, payload: body(claim) })
    }
}

/// The body: the same bytes at every attempt.
fn body(claim: &Claim) -> String {
    let logged = &claim.event.payload;
    let body = match claim.endpoint.manner.profile {
        Profile::Full => logged.clone(),
        Profile::Ids => payload::reduced(logged, catalogue::kept(&claim.event.event_type)),
    };
    if claim.is_replay { payload::replayed(&body) } else { body }
}

async fn logout<T: LogoutTokens>(claim: &Claim, tokens: &T) -> Result<Content, Verdict> {
    let Some(notice) = LogoutNotice::read(&claim.event.payload) else {
        tracing::error!(delivery.id = %claim.id, event.id = claim.event.id, "an end of a session names no session");
        return Err(Verdict::Moot);
    };
    match tokens.mint(&notice).await {
        Ok(token) => Ok(Content::LogoutToken(token)),
        Err(TokenError::NoApplication) => Err(Verdict::Moot),
        Err(error @ TokenError::Failed(_)) => {
            tracing::warn!(error = chain(&error), delivery.id = %claim.id, "no logout token can be had now");
            Err(Verdict::Ours)
        }
    }
}
