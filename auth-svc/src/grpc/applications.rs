//! `ApplicationService`: manages applications.

use proto::auth::v1 as pb;
use secrecy::ExposeSecret as _;
use tonic::{Request, Response, Status};

use super::{AuthGrpc, caller, message, paged, parse, size, status};
use crate::{app::Adapters, domain::application::Application, ports::ApplicationStore as _};

#[tonic::async_trait]
impl<A: Adapters> pb::application_service_server::ApplicationService for AuthGrpc<A> {
    async fn create_application(
        &self,
        request: Request<pb::CreateApplicationRequest>,
    ) -> Result<Response<pb::CreateApplicationResponse>, Status> {
        let caller = caller(&request)?;
        let application = parse::new_application(request.into_inner().application).map_err(status)?;
        let created = self.auth.create_application_for(&caller, application).await;
        let (application, secret) = created.map_err(status)?;
        Ok(Response::new(pb::CreateApplicationResponse {
            application: Some(message::application(&application)),
            client_secret: secret.map(|secret| secret.expose_secret().to_owned()).unwrap_or_default(),
        }))
    }

    async fn get_application(
        &self,
        request: Request<pb::GetApplicationRequest>,
    ) -> Result<Response<pb::GetApplicationResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::application_id("application_id", request.into_inner().application_id).map_err(status)?;
        let application = self.auth.application(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::GetApplicationResponse { application: Some(message::application(&application)) }))
    }

    async fn list_applications(
        &self,
        request: Request<pb::ListApplicationsRequest>,
    ) -> Result<Response<pb::ListApplicationsResponse>, Status> {
        let request = request.into_inner();
        let (tenant, size) =
            (parse::tenant("tenant_id", &request.tenant_id).map_err(status)?, size(request.page_size)?);
        let list = [b"applications ", tenant.as_bytes()].concat();
        let after = parse::cursor(&list, &request.page_token).map_err(status)?;
        let found = self.auth.store.applications(&tenant, &after, size + 1).await.map_err(status)?;
        let (page, next_page_token) = paged(found, size, &list, |application| application.id.as_str());
        let applications = page.iter().map(message::application).collect();
        Ok(Response::new(pb::ListApplicationsResponse { applications, next_page_token }))
    }

    async fn update_application(
        &self,
        request: Request<pb::UpdateApplicationRequest>,
    ) -> Result<Response<pb::UpdateApplicationResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let new = request.application.unwrap_or_default();
        let id = parse::application_id("application.id", new.id.clone()).map_err(status)?;
        let paths = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
        let change = |current: &Application| parse::changed(current, &new, &paths);
        let application = self.auth.update_application(&caller, &id, &paths, change).await.map_err(status)?;
        Ok(Response::new(pb::UpdateApplicationResponse { application: Some(message::application(&application)) }))
    }

    async fn delete_application(
        &self,
        request: Request<pb::DeleteApplicationRequest>,
    ) -> Result<Response<pb::DeleteApplicationResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::application_id("application_id", request.into_inner().application_id).map_err(status)?;
        self.auth.delete_application(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::DeleteApplicationResponse {}))
    }

    async fn rotate_client_secret(
        &self,
        request: Request<pb::RotateClientSecretRequest>,
    ) -> Result<Response<pb::RotateClientSecretResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let id = parse::application_id("application_id", request.application_id).map_err(status)?;
        let overlap = parse::overlap(request.overlap).map_err(status)?;
        let (application, secret) = self.auth.rotate_client_secret(&caller, &id, overlap).await.map_err(status)?;
        Ok(Response::new(pb::RotateClientSecretResponse {
            application: Some(message::application(&application)),
            client_secret: secret.expose_secret().to_owned(),
        }))
    }
}
