//! `ApiKeyService`: manages API keys. They are accepted as credentials too.

use std::sync::Arc;

use proto::auth::v1 as pb;
use secrecy::ExposeSecret as _;
use svc_kit::{
    access::{AccessError, CredentialFuture, CredentialSource},
    error::chain,
};
use tonic::{Request, Response, Status};

use super::{AuthGrpc, caller, paged, parse, size, status};
use crate::{
    app::{Adapters, Auth},
    domain::api_key::ApiKey,
    ports::ApiKeyStore as _,
};

/// Knows callers by their API keys.
pub struct ApiKeyCallers<A: Adapters>(pub Arc<Auth<A>>);

impl<A: Adapters> CredentialSource for ApiKeyCallers<A> {
    fn caller<'a>(&'a self, credential: &'a str) -> CredentialFuture<'a> {
        Box::pin(async move {
            self.0.api_key_caller(credential).await.map_err(|error| {
                tracing::warn!(error = chain(&error), "an api key cannot be checked");
                AccessError::IssuerUnavailable
            })
        })
    }
}

fn message(key: &ApiKey) -> pb::ApiKey {
    pb::ApiKey {
        id: key.id.to_string(),
        tenant_id: key.tenant.clone(),
        name: key.name.clone(),
        scopes: key.scopes.clone(),
        expires_at: Some(key.expires_at.to_proto()),
        created_at: Some(key.created_at.to_proto()),
        created_by: key.created_by.clone(),
        last_used_at: key.last_used_at.map(|at| at.to_proto()),
        old_secret_expires_at: key.old_secret.as_ref().map(|old| old.until.to_proto()),
    }
}

#[tonic::async_trait]
impl<A: Adapters> pb::api_key_service_server::ApiKeyService for AuthGrpc<A> {
    async fn create_api_key(
        &self,
        request: Request<pb::CreateApiKeyRequest>,
    ) -> Result<Response<pb::CreateApiKeyResponse>, Status> {
        let caller = caller(&request)?;
        let new = request.into_inner().api_key.unwrap_or_default();
        let new = parse::new_api_key(new, self.auth.clock.now()).map_err(status)?;
        let (key, secret) = self.auth.create_api_key(&caller, new).await.map_err(status)?;
        let secret = secret.expose_secret().to_owned();
        Ok(Response::new(pb::CreateApiKeyResponse { api_key: Some(message(&key)), secret }))
    }

    async fn get_api_key(
        &self,
        request: Request<pb::GetApiKeyRequest>,
    ) -> Result<Response<pb::GetApiKeyResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::api_key_id(&request.into_inner().api_key_id).map_err(status)?;
        let key = self.auth.api_key(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::GetApiKeyResponse { api_key: Some(message(&key)) }))
    }

    async fn list_api_keys(
        &self,
        request: Request<pb::ListApiKeysRequest>,
    ) -> Result<Response<pb::ListApiKeysResponse>, Status> {
        let request = request.into_inner();
        let (tenant, size) =
            (parse::tenant("tenant_id", &request.tenant_id).map_err(status)?, size(request.page_size)?);
        let list = [b"api keys ", tenant.as_bytes()].concat();
        let after = parse::cursor(&list, &request.page_token).map_err(status)?;
        let found = self.auth.store.api_keys(&tenant, &after, size + 1).await.map_err(status)?;
        let (page, next_page_token) = paged(found, size, &list, |key| key.id.as_str());
        Ok(Response::new(pb::ListApiKeysResponse { api_keys: page.iter().map(message).collect(), next_page_token }))
    }

    async fn rotate_api_key(
        &self,
        request: Request<pb::RotateApiKeyRequest>,
    ) -> Result<Response<pb::RotateApiKeyResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let id = parse::api_key_id(&request.api_key_id).map_err(status)?;
        let overlap = parse::overlap(request.overlap).map_err(status)?;
        let (key, secret) = self.auth.rotate_api_key(&caller, &id, overlap).await.map_err(status)?;
        let secret = secret.expose_secret().to_owned();
        Ok(Response::new(pb::RotateApiKeyResponse { api_key: Some(message(&key)), secret }))
    }

    async fn delete_api_key(
        &self,
        request: Request<pb::DeleteApiKeyRequest>,
    ) -> Result<Response<pb::DeleteApiKeyResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::api_key_id(&request.into_inner().api_key_id).map_err(status)?;
        self.auth.delete_api_key(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::DeleteApiKeyResponse {}))
    }
}
