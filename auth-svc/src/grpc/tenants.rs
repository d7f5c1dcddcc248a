//! `TenantService`: manages tenants.

use proto::auth::v1 as pb;
use tonic::{Request, Response, Status};

use super::{AuthGrpc, caller, message, paged, parse, size, status};
use crate::{
    app::Adapters,
    domain::tenant::{Tenant, UnkeptSso},
    ports::TenantStore as _,
};

impl<A: Adapters> AuthGrpc<A> {
    fn tenant_message(&self, tenant: &Tenant) -> pb::Tenant {
        let state = if tenant.is_suspended { pb::TenantState::Suspended } else { pb::TenantState::Active };
        let unkept = match tenant.settings.unkept_sso {
            UnkeptSso::Browser => pb::SsoWithoutKeepSignedIn::Browser,
            UnkeptSso::None => pb::SsoWithoutKeepSignedIn::None,
        };
        let theme = &tenant.settings.theme;
        pb::Tenant {
            id: tenant.id.clone(),
            name: tenant.name.clone(),
            state: state.into(),
            issuer: self.auth.settings.issuer(&tenant.id),
            light_colors: theme.light.clone().into_iter().collect(),
            dark_colors: theme.dark.clone().into_iter().collect(),
            logo_url: theme.logo_url.clone(),
            sso_without_keep_signed_in: unkept.into(),
            default_language: tenant.settings.default_language.clone(),
            created_at: Some(tenant.created_at.to_proto()),
            updated_at: Some(tenant.updated_at.to_proto()),
            session_policy: message::session_policy(&tenant.session_policy),
        }
    }
}

#[tonic::async_trait]
impl<A: Adapters> pb::tenant_service_server::TenantService for AuthGrpc<A> {
    async fn create_tenant(
        &self,
        request: Request<pb::CreateTenantRequest>,
    ) -> Result<Response<pb::CreateTenantResponse>, Status> {
        let caller = caller(&request)?;
        let tenant = parse::new_tenant(&request.into_inner().tenant.unwrap_or_default()).map_err(status)?;
        let tenant = self.auth.create_tenant(&caller, tenant).await.map_err(status)?;
        Ok(Response::new(pb::CreateTenantResponse { tenant: Some(self.tenant_message(&tenant)) }))
    }

    async fn get_tenant(
        &self,
        request: Request<pb::GetTenantRequest>,
    ) -> Result<Response<pb::GetTenantResponse>, Status> {
        let id = parse::tenant("tenant_id", &request.into_inner().tenant_id).map_err(status)?;
        let tenant = self.auth.tenant(&id).await.map_err(status)?;
        Ok(Response::new(pb::GetTenantResponse { tenant: Some(self.tenant_message(&tenant)) }))
    }

    async fn list_tenants(
        &self,
        request: Request<pb::ListTenantsRequest>,
    ) -> Result<Response<pb::ListTenantsResponse>, Status> {
        let request = request.into_inner();
        let size = size(request.page_size)?;
        let after = parse::cursor(b"tenants", &request.page_token).map_err(status)?;
        let found = self.auth.store.tenants(&after, size + 1).await.map_err(status)?;
        let (page, next_page_token) = paged(found, size, b"tenants", |tenant| tenant.id.as_str());
        let tenants = page.iter().map(|tenant| self.tenant_message(tenant)).collect();
        Ok(Response::new(pb::ListTenantsResponse { tenants, next_page_token }))
    }

    async fn update_tenant(
        &self,
        request: Request<pb::UpdateTenantRequest>,
    ) -> Result<Response<pb::UpdateTenantResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let new = request.tenant.unwrap_or_default();
        let id = parse::tenant("tenant.id", &new.id).map_err(status)?;
        let paths = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
        let change = |current: &Tenant| parse::changed_tenant(current, &new, &paths);
        let tenant = self.auth.update_tenant(&caller, &id, &paths, change).await.map_err(status)?;
        Ok(Response::new(pb::UpdateTenantResponse { tenant: Some(self.tenant_message(&tenant)) }))
    }

    async fn suspend_tenant(
        &self,
        request: Request<pb::SuspendTenantRequest>,
    ) -> Result<Response<pb::SuspendTenantResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::tenant("tenant_id", &request.into_inner().tenant_id).map_err(status)?;
        let tenant = self.auth.suspend_tenant(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::SuspendTenantResponse { tenant: Some(self.tenant_message(&tenant)) }))
    }

    async fn resume_tenant(
        &self,
        request: Request<pb::ResumeTenantRequest>,
    ) -> Result<Response<pb::ResumeTenantResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::tenant("tenant_id", &request.into_inner().tenant_id).map_err(status)?;
        let tenant = self.auth.resume_tenant(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::ResumeTenantResponse { tenant: Some(self.tenant_message(&tenant)) }))
    }
}
