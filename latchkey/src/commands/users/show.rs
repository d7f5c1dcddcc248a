//! How a user is shown to people.

use proto::auth::v1::User;

use crate::output::{
    Column,
    text::{moment, relative, word},
};

/// A user as a line of a table.
pub(super) const COLUMNS: &[Column<User>] = &[
    ("USER", |user, _| user.id.clone()),
    ("LOGIN", |user, _| user.login.clone()),
    ("NAME", |user, _| user.name.clone()),
    ("STATE", |user, _| state(user)),
    ("CREATED", |user, now| relative(user.created_at.as_ref(), now)),
];

/// A user in full.
pub(super) const FIELDS: &[Column<User>] = &[
    ("user", |user, _| user.id.clone()),
    ("tenant", |user, _| user.tenant_id.clone()),
    ("login", |user, _| user.login.clone()),
    ("name", |user, _| user.name.clone()),
    ("state", |user, _| state(user)),
    ("created", |user, now| moment(user.created_at.as_ref(), now)),
    ("updated", |user, now| moment(user.updated_at.as_ref(), now)),
    ("e-mail", |user, _| if user.email_verified { "verified" } else { "not verified" }.to_owned()),
    ("password", |user, _| if user.password_change_required { "must be changed" } else { "" }.to_owned()),
    ("claims", |user, _| claims(user)),
];

fn claims(user: &User) -> String {
    let mut claims: Vec<String> = user.claims.iter().map(|(name, value)| format!("{name}={value}")).collect();
    claims.sort();
    claims.join(" ")
}

fn state(user: &User) -> String {
    word(user.state().as_str_name(), "USER_STATE_")
}
