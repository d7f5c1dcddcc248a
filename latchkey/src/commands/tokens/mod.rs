//! `latchkey login`, `refresh`, `logout` and `introspect`: what an application does with a user's tokens.
//!
//! Nothing is kept: tokens are printed and forgotten. `--print` gives one value alone, for a variable or a file.

mod introspect;
mod login;
mod refresh;

use clap::ValueEnum;
use proto::auth::v1::{LoginResponse, Tokens};

pub use introspect::IntrospectArgs;
pub(super) use introspect::introspect;
pub use login::LoginArgs;
pub(super) use login::login;
pub use refresh::{LogoutArgs, RefreshArgs};
pub(super) use refresh::{logout, refresh};

use crate::{
    Answer,
    failure::Exit,
    output::{Column, Output},
};

/// One value of an answer.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Print {
    /// The access token (JWT).
    AccessToken,
    /// The refresh token: the session's token.
    RefreshToken,
    /// The ID token.
    IdToken,
    /// The session's id.
    Session,
}

const FIELDS: &[Column<LoginResponse>] = &[
    ("session", |answer, _| Print::Session.of(answer)),
    ("user", |answer, _| answer.session.as_ref().map(|session| session.user_id.clone()).unwrap_or_default()),
    ("refresh token", |answer, _| Print::RefreshToken.of(answer)),
    ("access token", |answer, _| Print::AccessToken.of(answer)),
    ("good for", |answer, _| {
        answer.tokens.as_ref().map(|tokens| format!("{} s", tokens.expires_in)).unwrap_or_default()
    }),
    ("id token", |answer, _| Print::IdToken.of(answer)),
];

impl Print {
    fn of(self, answer: &LoginResponse) -> String {
        let token = |text: fn(&Tokens) -> &String| answer.tokens.as_ref().map(text).cloned();
        let value = match self {
            Self::AccessToken => token(|tokens| &tokens.access_token),
            Self::RefreshToken => token(|tokens| &tokens.refresh_token),
            Self::IdToken => token(|tokens| &tokens.id_token),
            Self::Session => answer.session.as_ref().map(|session| session.id.clone()),
        };
        value.unwrap_or_default()
    }
}

/// Shows one value of the answer, or all of it.
fn show(answer: &LoginResponse, print: Option<Print>, output: &mut Output) -> Answer {
    match print {
        Some(print) => output.line(&print.of(answer))?,
        None => output.one(answer, FIELDS)?,
    }
    Ok(Exit::Done)
}
