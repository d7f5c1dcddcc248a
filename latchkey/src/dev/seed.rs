//! What the development server knows at the start.

use serde::Deserialize;
use svc_kit::config::OperatorKey;

const EMBEDDED: &str = include_str!("../../../deploy/dev/seed.toml");

/// The contents of a seed file.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Seed {
    /// Keys that every service accepts.
    #[serde(default)]
    pub operator_keys: Vec<OperatorKey>,
    /// Tenants, users and applications.
    #[serde(flatten)]
    pub directory: auth_svc::app::seed::Seed,
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
        let directory = seed.directory;
        assert_eq!((seed.operator_keys.len(), directory.users.len(), directory.applications.len()), (1, 2, 4));
    }
}
