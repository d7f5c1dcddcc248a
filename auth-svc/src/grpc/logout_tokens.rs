//! `LogoutTokenService`: logout tokens for whoever delivers them.

use proto::auth::v1 as pb;
use svc_kit::error::FieldError;
use tonic::{Request, Response, Status};

use super::{AuthGrpc, parse, status};
use crate::{
    app::{Adapters, oidc::logout_token::LogoutNotice},
    error::AuthError,
};

const ID_BYTES_MAX: usize = 128;

#[tonic::async_trait]
impl<A: Adapters> pb::logout_token_service_server::LogoutTokenService for AuthGrpc<A> {
    async fn mint_logout_token(
        &self,
        request: Request<pb::MintLogoutTokenRequest>,
    ) -> Result<Response<pb::MintLogoutTokenResponse>, Status> {
        let notice = notice(request.into_inner()).map_err(status)?;
        let (logout_token, expires_at) = self.auth.mint_logout_token(&notice).await.map_err(status)?;
        Ok(Response::new(pb::MintLogoutTokenResponse { logout_token, expires_at: Some(expires_at.to_proto()) }))
    }
}

fn notice(request: pb::MintLogoutTokenRequest) -> Result<LogoutNotice, AuthError> {
    if !request.session_id.starts_with("sess_") {
        return Err(FieldError::new("session_id", "must be the id of a session, sess_…").into());
    }
    Ok(LogoutNotice {
        tenant: parse::tenant("tenant_id", &request.tenant_id)?,
        application: parse::application_id("application_id", request.application_id)?,
        user: id("user_id", request.user_id)?,
        session: id("session_id", request.session_id)?,
    })
}

/// What session-svc takes for an id: backends may have users that are not of our directory.
fn id(path: &str, text: String) -> Result<String, AuthError> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "._:@-".contains(c);
    if (1..=ID_BYTES_MAX).contains(&text.len()) && text.chars().all(is_good) {
        Ok(text)
    } else {
        Err(FieldError::new(path, "must be 1 to 128 of A-Z a-z 0-9 . _ : @ -").into())
    }
}
