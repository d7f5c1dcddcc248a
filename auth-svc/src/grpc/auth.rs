//! `AuthService`: signing in without a browser, and tokens.

use proto::auth::v1 as pb;
use tonic::{Request, Response, Status};

use super::{AuthGrpc, caller, message, parse, status};
use crate::{
    app::{Adapters, tokens::Terms},
    error::AuthError,
    ports::{ApplicationStore as _, SessionRef, SessionsError},
};

#[tonic::async_trait]
impl<A: Adapters> pb::auth_service_server::AuthService for AuthGrpc<A> {
    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<Response<pb::LoginResponse>, Status> {
        let command = parse::login(request.into_inner()).map_err(status)?;
        let (tokens, session) = self.auth.login(command).await.map_err(status)?;
        Ok(Response::new(pb::LoginResponse { tokens: Some(message::tokens(tokens)), session: Some(session) }))
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> Result<Response<pb::ChangePasswordResponse>, Status> {
        let command = parse::password_change(request.into_inner()).map_err(status)?;
        self.auth.change_password(command).await.map_err(status)?;
        Ok(Response::new(pb::ChangePasswordResponse {}))
    }

    async fn refresh(&self, request: Request<pb::RefreshRequest>) -> Result<Response<pb::RefreshResponse>, Status> {
        let caller = caller(&request)?;
        let request = parse::refresh(request.into_inner()).map_err(status)?;
        let application = self.auth.store.application(&request.application_id).await.map_err(status)?;
        // An application that is not there is one more cause that is not told.
        let application = application.ok_or_else(|| status(AuthError::Sessions(SessionsError::TokenRefused)))?;
        let may_see = |tenant: &str| caller.may_see(tenant);
        let refreshed = self.auth.refresh(may_see, &application, &request.refresh_token, &Terms::default()).await;
        let (tokens, session) = refreshed.map_err(status)?;
        Ok(Response::new(pb::RefreshResponse { tokens: Some(message::tokens(tokens)), session: Some(session) }))
    }

    async fn logout(&self, request: Request<pb::LogoutRequest>) -> Result<Response<pb::LogoutResponse>, Status> {
        let caller = caller(&request)?;
        let token = parse::token("refresh_token", request.into_inner().refresh_token).map_err(status)?;
        let already_ended = self.auth.logout_for(&caller, SessionRef::Token(&token)).await.map_err(status)?;
        Ok(Response::new(pb::LogoutResponse { already_ended }))
    }

    async fn introspect_token(
        &self,
        request: Request<pb::IntrospectTokenRequest>,
    ) -> Result<Response<pb::IntrospectTokenResponse>, Status> {
        let caller = caller(&request)?;
        let token = parse::token("token", request.into_inner().token).map_err(status)?;
        let found = self.auth.introspect(&token).await.map_err(status)?;
        let found = found.filter(|found| caller.may_see(&found.tenant));
        Ok(Response::new(found.map(message::introspection).unwrap_or_default()))
    }
}
