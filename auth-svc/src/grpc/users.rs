//! `UserService`: manages users.

use proto::auth::v1 as pb;
use tonic::{Request, Response, Status};

use super::{AuthGrpc, caller, message, paged, parse, size, status};
use crate::{app::Adapters, domain::user::User, ports::UserStore as _};

#[tonic::async_trait]
impl<A: Adapters> pb::user_service_server::UserService for AuthGrpc<A> {
    async fn create_user(
        &self,
        request: Request<pb::CreateUserRequest>,
    ) -> Result<Response<pb::CreateUserResponse>, Status> {
        let caller = caller(&request)?;
        let new = parse::new_user(request.into_inner()).map_err(status)?;
        let created = self.auth.create_user(&caller.subject, &new.tenant, new.login, new.name, new.password).await;
        Ok(Response::new(pb::CreateUserResponse { user: Some(message::user(&created.map_err(status)?)) }))
    }

    async fn get_user(&self, request: Request<pb::GetUserRequest>) -> Result<Response<pb::GetUserResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::user_id(&request.into_inner().user_id).map_err(status)?;
        let user = self.auth.user(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::GetUserResponse { user: Some(message::user(&user)) }))
    }

    async fn list_users(
        &self,
        request: Request<pb::ListUsersRequest>,
    ) -> Result<Response<pb::ListUsersResponse>, Status> {
        let request = request.into_inner();
        let (tenant, size) =
            (parse::tenant("tenant_id", &request.tenant_id).map_err(status)?, size(request.page_size)?);
        let list = [b"users ", tenant.as_bytes(), b" ", request.login.as_bytes()].concat();
        let after = parse::cursor(&list, &request.page_token).map_err(status)?;
        let found: Vec<User> = if request.login.is_empty() {
            self.auth.store.users(&tenant, &after, size + 1).await.map_err(status)?
        } else {
            let login = parse::login_name(&request.login).map_err(status)?;
            self.auth.store.user_by_login(&tenant, &login).await.map_err(status)?.into_iter().collect()
        };
        let (page, next_page_token) = paged(found, size, &list, |user| user.id.as_str());
        Ok(Response::new(pb::ListUsersResponse { users: page.iter().map(message::user).collect(), next_page_token }))
    }

    async fn disable_user(
        &self,
        request: Request<pb::DisableUserRequest>,
    ) -> Result<Response<pb::DisableUserResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::user_id(&request.into_inner().user_id).map_err(status)?;
        let user = self.auth.disable_user(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::DisableUserResponse { user: Some(message::user(&user)) }))
    }

    async fn enable_user(
        &self,
        request: Request<pb::EnableUserRequest>,
    ) -> Result<Response<pb::EnableUserResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::user_id(&request.into_inner().user_id).map_err(status)?;
        let user = self.auth.enable_user(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::EnableUserResponse { user: Some(message::user(&user)) }))
    }

    async fn import_users(
        &self,
        request: Request<pb::ImportUsersRequest>,
    ) -> Result<Response<pb::ImportUsersResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let tenant = parse::tenant("tenant_id", &request.tenant_id).map_err(status)?;
        let logins: Vec<String> = request.users.iter().map(|user| user.login.clone()).collect();
        let users = parse::imported_users(request.users).map_err(status)?;
        let imported = self.auth.import_users(&caller, &tenant, users).await.map_err(status)?;
        let results = logins.into_iter().zip(imported).map(|(login, result)| message::import_result(login, result));
        Ok(Response::new(pb::ImportUsersResponse { results: results.collect() }))
    }

    async fn set_password(
        &self,
        request: Request<pb::SetPasswordRequest>,
    ) -> Result<Response<pb::SetPasswordResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let id = parse::user_id(&request.user_id).map_err(status)?;
        self.auth.set_password(&caller, &id, request.password.into(), request.change_required).await.map_err(status)?;
        Ok(Response::new(pb::SetPasswordResponse {}))
    }

    async fn update_user(
        &self,
        request: Request<pb::UpdateUserRequest>,
    ) -> Result<Response<pb::UpdateUserResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let new = request.user.unwrap_or_default();
        let id = parse::user_id(&new.id).map_err(status)?;
        let paths = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
        let description = parse::description(&new, &paths).map_err(status)?;
        let user = self.auth.update_user(&caller, &id, &description, paths).await.map_err(status)?;
        Ok(Response::new(pb::UpdateUserResponse { user: Some(message::user(&user)) }))
    }

    async fn delete_user(
        &self,
        request: Request<pb::DeleteUserRequest>,
    ) -> Result<Response<pb::DeleteUserResponse>, Status> {
        let caller = caller(&request)?;
        let id = parse::user_id(&request.into_inner().user_id).map_err(status)?;
        self.auth.delete_user(&caller, &id).await.map_err(status)?;
        Ok(Response::new(pb::DeleteUserResponse {}))
    }
}
