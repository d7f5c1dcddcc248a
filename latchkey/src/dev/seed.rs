//! What the development server knows at the start.

use serde::Deserialize;
use svc_kit::{config::OperatorKey, secret::SecretString};

const EMBEDDED: &str = include_str!("../../../deploy/dev/seed.toml");

/// The contents of a seed file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Seed {
    /// Keys that every service accepts.
    pub operator_keys: Vec<OperatorKey>,
    /// Users.
    pub users: Vec<SeedUser>,
    /// Applications.
    pub applications: Vec<SeedApplication>,
}

/// A user.
#[derive(Clone, Debug, Deserialize)]
pub struct SeedUser {
    /// E-mail address.
    pub login: String,
    /// Password.
    pub password: SecretString,
}

/// An application.
#[derive(Clone, Debug, Deserialize)]
pub struct SeedApplication {
    /// `client_id`.
    pub id: String,
    /// Secret; without one it is public.
    pub secret: Option<SecretString>,
    /// Where codes may be sent.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
}

/// A seed file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the seed cannot be used")]
pub struct SeedError(#[from] toml::de::Error);

impl Seed {
    /// Reads a seed file.
    ///
    /// # Errors
    /// [`SeedError`] says what does not fit, and where.
    pub fn parse(text: &str) -> Result<Self, SeedError> {
        Ok(toml::from_str(text)?)
    }

    /// Returns the seed that comes with the program: `deploy/dev/seed.toml`.
    ///
    /// # Errors
    /// None that a test would not have found.
    pub fn embedded() -> Result<Self, SeedError> {
        Self::parse(EMBEDDED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_seed_has_users_applications_and_a_key() {
        let seed = Seed::embedded().unwrap();
        assert_eq!((seed.operator_keys.len(), seed.users.len(), seed.applications.len()), (1, 2, 4));
    }
}
