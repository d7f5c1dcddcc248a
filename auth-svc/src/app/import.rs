//! Takes over users from another system, with the hashes of their passwords. A hash of another kind than ours is replaced at
//! the first sign-in, when the password is known.

use svc_kit::access::Caller;

use super::{Adapters, Auth};
use crate::{
    domain::{
        event::What,
        user::{Claims, Login, User, UserId},
    },
    error::AuthError,
    ports::{TenantStore as _, UserStore as _},
};

/// A user to take over.
#[derive(Clone)]
pub struct ImportedUser {
    /// What the user signs in with.
    pub login: Login,
    /// Name for people.
    pub name: String,
    /// Hash of the password, which can be checked at a bounded cost.
    pub password_hash: String,
    /// Whether the user may not sign in.
    pub is_disabled: bool,
    /// What else is known.
    pub claims: Claims,
    /// Whether the user has shown that the e-mail address is theirs.
    pub is_email_verified: bool,
    /// Whether the password must be changed before the first sign-in.
    pub must_change_password: bool,
}

impl<A: Adapters> Auth<A> {
    /// Takes over users, one by one; says of each what became of it.
    ///
    /// # Errors
    /// [`AuthError::TenantNotFound`], or a failure of the store: then the beginning may be done, and repeating everything
    /// finds those as taken.
    pub async fn import_users(
        &self,
        caller: &Caller,
        tenant: &str,
        users: Vec<Result<ImportedUser, AuthError>>,
    ) -> Result<Vec<Result<UserId, AuthError>>, AuthError> {
        if !self.store.has_tenant(tenant).await? {
            return Err(AuthError::TenantNotFound);
        }
        let mut results = Vec::with_capacity(users.len());
        for user in users {
            results.push(match user {
                Ok(user) => self.import_user(caller, tenant, user).await?.ok_or(AuthError::LoginTaken),
                Err(problem) => Err(problem),
            });
        }
        Ok(results)
    }

    /// `None` when somebody has the login.
    async fn import_user(
        &self,
        caller: &Caller,
        tenant: &str,
        imported: ImportedUser,
    ) -> Result<Option<UserId>, AuthError> {
        let now = self.clock.now();
        let user = User {
            id: UserId::generate(&*self.entropy),
            tenant: tenant.to_owned(),
            login: imported.login,
            name: imported.name,
            password_hash: imported.password_hash,
            is_disabled: imported.is_disabled,
            epoch: 0,
            created_at: now,
            claims: imported.claims,
            is_email_verified: imported.is_email_verified,
            updated_at: now,
            must_change_password: imported.must_change_password,
        };
        let event = self.event(tenant, &caller.subject, What::UserCreated(user.id.to_string()));
        Ok(self.store.add_user(&user, &event).await?.then_some(user.id))
    }
}
