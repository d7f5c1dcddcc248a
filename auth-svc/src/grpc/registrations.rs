//! `RegistrationService`: registers users for applications.

use proto::auth::v1 as pb;
use tonic::{Request, Response, Status};

use super::{AuthGrpc, caller, message, paged, parse, size, status};
use crate::{app::Adapters, ports::UserRegistrationStore as _};

#[tonic::async_trait]
impl<A: Adapters> pb::registration_service_server::RegistrationService for AuthGrpc<A> {
    async fn create_registration(
        &self,
        request: Request<pb::CreateRegistrationRequest>,
    ) -> Result<Response<pb::CreateRegistrationResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let user = parse::user_id(&request.user_id).map_err(status)?;
        let application = parse::application_id("application_id", request.application_id).map_err(status)?;
        let registered = self.auth.register_user(&caller, &user, &application).await.map_err(status)?;
        let registration = Some(message::registration(&registered));
        Ok(Response::new(pb::CreateRegistrationResponse { registration }))
    }

    async fn list_registrations(
        &self,
        request: Request<pb::ListRegistrationsRequest>,
    ) -> Result<Response<pb::ListRegistrationsResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let (id, size) = (parse::user_id(&request.user_id).map_err(status)?, size(request.page_size)?);
        let list = [b"registrations ", id.as_str().as_bytes()].concat();
        let after = parse::cursor(&list, &request.page_token).map_err(status)?;
        let user = self.auth.user(&caller, &id).await.map_err(status)?;
        let found = self.auth.store.user_registrations(&user.id, &after, size + 1).await.map_err(status)?;
        let (page, next_page_token) = paged(found, size, &list, |found| found.application.as_str());
        let registrations = page.iter().map(message::registration).collect();
        Ok(Response::new(pb::ListRegistrationsResponse { registrations, next_page_token }))
    }

    async fn delete_registration(
        &self,
        request: Request<pb::DeleteRegistrationRequest>,
    ) -> Result<Response<pb::DeleteRegistrationResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let user = parse::user_id(&request.user_id).map_err(status)?;
        let application = parse::application_id("application_id", request.application_id).map_err(status)?;
        self.auth.deregister_user(&caller, &user, &application).await.map_err(status)?;
        Ok(Response::new(pb::DeleteRegistrationResponse {}))
    }
}
