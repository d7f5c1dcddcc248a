//! `SigningKeyService`: shows, replaces and revokes the keys that tokens are signed by.

use proto::auth::v1 as pb;
use tonic::{Request, Response, Status};

use super::{AuthGrpc, caller, message, paged, parse, size, status};
use crate::{app::Adapters, domain::keys::KeyState, ports::StoredKey};

impl<A: Adapters> AuthGrpc<A> {
    fn key_message(&self, key: &StoredKey) -> pb::SigningKey {
        let state = match key.state {
            KeyState::Pending => pb::SigningKeyState::Pending,
            KeyState::Active => pb::SigningKeyState::Active,
            KeyState::Retiring => pb::SigningKeyState::Retiring,
        };
        let lasts = key.state.lasts(self.auth.settings.keys_sign_for);
        pb::SigningKey {
            id: key.id.clone(),
            algorithm: message::algorithm(key.algorithm).into(),
            state: state.into(),
            state_since: Some(key.since.to_proto()),
            state_until: Some(key.since.saturating_add(lasts).to_proto()),
            created_at: Some(key.created_at.to_proto()),
        }
    }
}

#[tonic::async_trait]
impl<A: Adapters> pb::signing_key_service_server::SigningKeyService for AuthGrpc<A> {
    async fn list_signing_keys(
        &self,
        request: Request<pb::ListSigningKeysRequest>,
    ) -> Result<Response<pb::ListSigningKeysResponse>, Status> {
        let request = request.into_inner();
        let size = size(request.page_size)?;
        let after = parse::cursor(b"signing keys", &request.page_token).map_err(status)?;
        let mut found = self.auth.signing_keys().await.map_err(status)?;
        found.retain(|key| key.id > after);
        let (page, next_page_token) = paged(found, size, b"signing keys", |key| key.id.as_str());
        let keys = page.iter().map(|key| self.key_message(key)).collect();
        Ok(Response::new(pb::ListSigningKeysResponse { keys, next_page_token }))
    }

    async fn rotate_key(
        &self,
        request: Request<pb::RotateKeyRequest>,
    ) -> Result<Response<pb::RotateKeyResponse>, Status> {
        let caller = caller(&request)?;
        let algorithm = parse::signing_algorithm("algorithm", request.into_inner().algorithm).map_err(status)?;
        let (key, already_pending) = self.auth.rotate_key(&caller, algorithm).await.map_err(status)?;
        Ok(Response::new(pb::RotateKeyResponse { key: Some(self.key_message(&key)), already_pending }))
    }

    async fn revoke_key(
        &self,
        request: Request<pb::RevokeKeyRequest>,
    ) -> Result<Response<pb::RevokeKeyResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::signing_key_id(request.into_inner().signing_key_id).map_err(status)?;
        let active = self.auth.revoke_key(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::RevokeKeyResponse { active_key: Some(self.key_message(&active)) }))
    }
}
