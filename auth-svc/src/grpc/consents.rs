//! `ConsentService`: shows and withdraws consents.

use proto::auth::v1 as pb;
use tonic::{Request, Response, Status};

use super::{AuthGrpc, caller, message, paged, parse, size, status};
use crate::{app::Adapters, ports::ConsentStore as _};

#[tonic::async_trait]
impl<A: Adapters> pb::consent_service_server::ConsentService for AuthGrpc<A> {
    async fn list_consents(
        &self,
        request: Request<pb::ListConsentsRequest>,
    ) -> Result<Response<pb::ListConsentsResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let (id, size) = (parse::user_id(&request.user_id).map_err(status)?, size(request.page_size)?);
        let list = [b"consents ", id.as_str().as_bytes()].concat();
        let after = parse::cursor(&list, &request.page_token).map_err(status)?;
        let user = self.auth.user(&caller, &id).await.map_err(status)?;
        let found = self.auth.store.consents(&user.id, &after, size + 1).await.map_err(status)?;
        let (page, next_page_token) = paged(found, size, &list, |consent| consent.application.as_str());
        let consents = page.iter().map(message::consent).collect();
        Ok(Response::new(pb::ListConsentsResponse { consents, next_page_token }))
    }

    async fn withdraw_consent(
        &self,
        request: Request<pb::WithdrawConsentRequest>,
    ) -> Result<Response<pb::WithdrawConsentResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let user = parse::user_id(&request.user_id).map_err(status)?;
        let application = parse::application_id("application_id", request.application_id).map_err(status)?;
        self.auth.withdraw_consent(&caller, &user, &application).await.map_err(status)?;
        Ok(Response::new(pb::WithdrawConsentResponse {}))
    }
}
