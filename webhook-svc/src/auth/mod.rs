//! auth-svc, over gRPC: it holds the keys, and signs a logout token for each attempt. Nothing else is asked of it.

use std::time::Duration;

use proto::auth::v1::{MintLogoutTokenRequest, logout_token_service_client::LogoutTokenServiceClient};
use secrecy::SecretString;
use svc_kit::{
    boot::BootError,
    client::{Outgoing, channel},
    error::reason_of,
};
use tonic::{service::interceptor::InterceptedService, transport::Channel};

use crate::{
    domain::logout::LogoutNotice,
    ports::{LogoutTokens, TokenError},
};

/// Longest time for a token.
const DEADLINE: Duration = Duration::from_secs(5);

/// Gets logout tokens from auth-svc.
pub struct GrpcLogoutTokens {
    client: LogoutTokenServiceClient<InterceptedService<Channel, Outgoing>>,
}

impl GrpcLogoutTokens {
    /// Makes a client that connects when needed.
    ///
    /// # Errors
    /// Fails when the URL cannot be used.
    pub fn new(url: &str, credential: &SecretString) -> Result<Self, BootError> {
        let channel = channel(url, DEADLINE).map_err(BootError::because("auth.url cannot be used"))?;
        Ok(Self { client: LogoutTokenServiceClient::with_interceptor(channel, Outgoing::new(credential)) })
    }
}

impl LogoutTokens for GrpcLogoutTokens {
    async fn mint(&self, notice: &LogoutNotice) -> Result<SecretString, TokenError> {
        let request = MintLogoutTokenRequest {
            tenant_id: notice.tenant.clone(),
            application_id: notice.application.clone(),
            user_id: notice.user.clone(),
            session_id: notice.session.clone(),
        };
        match self.client.clone().mint_logout_token(request).await {
            Ok(answer) => Ok(answer.into_inner().logout_token.into()),
            Err(status) if reason_of(&status).as_deref() == Some("APPLICATION_NOT_FOUND") => {
                Err(TokenError::NoApplication)
            }
            Err(status) => Err(TokenError::Failed(Box::new(status))),
        }
    }
}
