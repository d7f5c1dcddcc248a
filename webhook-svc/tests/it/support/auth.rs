//! An auth-svc that signs logout tokens, as far as webhook-svc knows one.

use std::sync::{Arc, Mutex};

use proto::auth::v1::{
    MintLogoutTokenRequest, MintLogoutTokenResponse,
    logout_token_service_server::{LogoutTokenService, LogoutTokenServiceServer},
};
use tokio::net::TcpListener;
use tonic::{
    Code, Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};
use tonic_types::{ErrorDetails, StatusExt as _};

/// What every token begins with.
pub const TOKEN: &str = "header.claims.";

/// A signer that remembers what it was asked for.
#[derive(Clone, Default)]
pub struct FakeAuth {
    pub url: String,
    asked: Arc<Mutex<Vec<MintLogoutTokenRequest>>>,
    refusal: Arc<Mutex<Option<Status>>>,
}

impl FakeAuth {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self { url: format!("http://{}", listener.local_addr().unwrap()), ..Self::default() };
        let server = Server::builder().add_service(LogoutTokenServiceServer::new(this.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        this
    }

    pub fn asked(&self) -> Vec<MintLogoutTokenRequest> {
        self.asked.lock().unwrap().clone()
    }

    /// Refuses from now on.
    pub fn refuse(&self, code: Code, reason: &str) {
        let details = ErrorDetails::with_error_info(reason, "latchkey", []);
        *self.refusal.lock().unwrap() = Some(Status::with_error_details(code, "refused", details));
    }
}

#[tonic::async_trait]
impl LogoutTokenService for FakeAuth {
    async fn mint_logout_token(
        &self,
        request: Request<MintLogoutTokenRequest>,
    ) -> Result<Response<MintLogoutTokenResponse>, Status> {
        let mut asked = self.asked.lock().unwrap();
        asked.push(request.into_inner());
        match self.refusal.lock().unwrap().clone() {
            Some(status) => Err(status),
            None => {
                let logout_token = format!("{TOKEN}{}", asked.len());
                Ok(Response::new(MintLogoutTokenResponse { logout_token, expires_at: None }))
            }
        }
    }
}
