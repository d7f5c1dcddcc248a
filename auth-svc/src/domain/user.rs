//! Users.

use std::{
    collections::{BTreeMap, HashSet},
    sync::LazyLock,
};

use svc_kit::{clock::Timestamp, prefixed_id};

prefixed_id!(UserId, "user_", "Names a user; the `sub` of tokens.");

/// A user.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub id: UserId,
    /// Tenant.
    pub tenant: String,
    /// What the user signs in with.
    pub login: Login,
    /// Name for people.
    pub name: String,
    /// Hash of the password, of whatever kind ([`super::password_hash`]).
    pub password_hash: String,
    /// Whether the user may not sign in.
    pub is_disabled: bool,
    /// Grows with every change that must end the user's sessions.
    pub epoch: i64,
    /// When the user was created.
    pub created_at: Timestamp,
    /// What else is known: standard claims by name.
    pub claims: Claims,
    /// Whether the user has shown that the e-mail address is theirs.
    pub is_email_verified: bool,
    /// When what is known of the user was changed last.
    pub updated_at: Timestamp,
    /// Whether the password must be changed before the next sign-in.
    pub must_change_password: bool,
}

/// Claims by name.
pub type Claims = BTreeMap<String, String>;

/// The claims that a user may have besides login and name (OpenID Connect Core 1.0 §5.1).
pub const CLAIMS: [&str; 12] = [
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
];

/// New values of what is known of a user. It touches what it names and nothing else.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// What the user signs in with.
    pub login: Option<Login>,
    /// Name for people.
    pub name: Option<String>,
    /// All claims.
    pub claims: Option<Claims>,
    /// Whether the e-mail address is verified.
    pub is_email_verified: Option<bool>,
    /// Whether the password must be changed before the next sign-in.
    pub must_change_password: Option<bool>,
}

impl Description {
    /// Says whether the address is verified after the change, if that is known: another address is not, unless it is said.
    pub fn email_verified(&self) -> Option<bool> {
        self.is_email_verified.or(self.login.as_ref().map(|_| false))
    }
}

/// A change of a user. It touches what it names and nothing else, so that of two changes at once neither is lost.
#[derive(Clone, PartialEq, Eq)]
pub enum UserChange {
    /// The user may not sign in.
    Disable,
    /// The user may sign in again.
    Enable,
    /// There is another password.
    SetPassword {
        /// Its hash.
        password_hash: String,
        /// Whether it must be changed before the next sign-in.
        must_change: bool,
    },
}

impl UserChange {
    /// Says by how much the epoch grows: with whatever must end the user's sessions.
    pub fn epoch_step(&self) -> i64 {
        match self {
            Self::Disable | Self::SetPassword { .. } => 1,
            Self::Enable => 0,
        }
    }

    /// Says what the user's `is_disabled` becomes, if that is what changes.
    pub fn is_disabled(&self) -> Option<bool> {
        match self {
            Self::Disable => Some(true),
            Self::Enable => Some(false),
            Self::SetPassword { .. } => None,
        }
    }

    /// Returns the new hash of the password, if that is what changes.
    pub fn password_hash(&self) -> Option<&str> {
        match self {
            Self::SetPassword { password_hash, .. } => Some(password_hash),
            Self::Disable | Self::Enable => None,
        }
    }

    /// Says whether the password must be changed then, if it is the password that changes.
    pub fn must_change_password(&self) -> Option<bool> {
        match self {
            Self::SetPassword { must_change, .. } => Some(*must_change),
            Self::Disable | Self::Enable => None,
        }
    }
}

impl std::fmt::Debug for UserChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Disable => "Disable",
            Self::Enable => "Enable",
            Self::SetPassword { .. } => "SetPassword",
        })
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// An e-mail address, in lower case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Login(String);

/// Longest e-mail address, in bytes (RFC 3696 errata 1690).
const LOGIN_BYTES_MAX: usize = 320;

impl Login {
    /// Reads an e-mail address; only its shape is checked, because only its owner can prove more.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let (local, domain) = text.rsplit_once('@')?;
        let is_plain = text.len() <= LOGIN_BYTES_MAX && !text.chars().any(|c| c.is_control() || c.is_whitespace());
        (is_plain && !local.is_empty() && !domain.is_empty()).then_some(Self(text))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Longest and shortest password, in bytes. No rules of composition (NIST SP 800-63B-4 §3.1.1.2).
pub const PASSWORD_BYTES_MAX: usize = 1024;
const PASSWORD_BYTES_MIN: usize = 8;

/// The passwords that everybody tries first: lower case, sorted, one a line; those that are too short anyway left out.
/// From the list that Royce Williams compiled from leaks for Django.
static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// Says what is wrong with a new password.
pub fn password_problem(password: &str, login: &Login) -> Option<&'static str> {
    let lower = password.to_lowercase();
    if !(PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.len()) {
        Some("must be 8 to 1024 bytes long")
    } else if COMMON.contains(&lower.as_str()) {
        Some("is one of the most common passwords")
    } else if lower == login.as_str() {
        Some("must not be the e-mail address")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_folded_and_checked() {
        assert_eq!(Login::parse(" Ada@Example.com ").unwrap().as_str(), "ada@example.com");
        for text in ["", "ada", "@example.com", "ada@", "a b@example.com", "a\n@b", &format!("{}@b", "a".repeat(320))] {
            assert!(Login::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn weak_passwords_are_refused() {
        let login = Login::parse("ada@example.com").unwrap();
        assert!(COMMON.len() > 3000);
        for password in
            ["", "short", "Password", "passw0rd", "Qwertyuiop", "1q2w3e4r5t", "Ada@example.com", &"a".repeat(1025)]
        {
            assert!(password_problem(password, &login).is_some(), "{password:?}");
        }
        assert_eq!(password_problem("correct horse battery staple", &login), None);
    }
}
