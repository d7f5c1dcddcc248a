//! Users to take over, in requests.

use proto::auth::v1 as pb;

use super::{NAME_BYTES_MAX, Parsed, claims, field, login_name, text};
use crate::{app::import::ImportedUser, domain::password_hash::Scheme, error::AuthError};

/// Most users in one request.
const USERS_MAX: usize = 200;

/// What is wrong with one user is that user's problem and nobody else's.
pub(in crate::grpc) fn imported_users(users: Vec<pb::ImportedUser>) -> Parsed<Vec<Result<ImportedUser, AuthError>>> {
    if !(1..=USERS_MAX).contains(&users.len()) {
        return Err(field("users", format!("must be 1 to {USERS_MAX} users")));
    }
    Ok(users.into_iter().map(imported_user).collect())
}

fn imported_user(user: pb::ImportedUser) -> Parsed<ImportedUser> {
    if let Err(problem) = Scheme::parse(&user.password_hash) {
        return Err(field("password_hash", problem));
    }
    Ok(ImportedUser {
        login: login_name(&user.login)?,
        name: text("name", user.name, NAME_BYTES_MAX)?,
        password_hash: user.password_hash,
        is_disabled: user.disabled,
        claims: claims("claims", &user.claims)?,
        is_email_verified: user.email_verified,
        must_change_password: user.password_change_required,
    })
}
