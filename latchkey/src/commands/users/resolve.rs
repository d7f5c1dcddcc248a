//! From what people call a user to the user's id.

use proto::auth::v1::ListUsersRequest;

use crate::{
    connect::{Connection, Service},
    failure::{Exit, Failure},
};

/// Returns the id of a user named by id or by e-mail address; only the latter is looked up, in auth-svc.
///
/// # Errors
/// Fails when nobody has the address, or when auth-svc does not answer.
pub(in crate::commands) async fn user_id(user: String, connection: &Connection) -> Result<String, Failure> {
    if !user.contains('@') {
        return Ok(user);
    }
    let attempt = format!("find user {user}");
    let request =
        ListUsersRequest { tenant_id: connection.tenant(), login: user, page_size: 1, page_token: String::new() };
    let page = connection.users()?.list_users(request).await;
    let page = page.map_err(connection.failed(Service::Auth, attempt.clone()))?.into_inner();
    let nobody = || {
        let cause = format!("nobody in tenant {} signs in with this address", connection.tenant());
        Failure::new(attempt, cause, Exit::No).reason(Some("USER_NOT_FOUND".into()))
    };
    page.users.into_iter().next().map(|user| user.id).ok_or_else(nobody)
}
