//! Configuration: embedded defaults ← file ← environment, every problem reported at once.
//!
//! The commented default file *is* the schema. A key that it does not have is unknown; a value of another type is wrong.
//! Environment variables are named `LATCHKEY_<SECTION>__<KEY>` (top-level keys: `LATCHKEY_<KEY>`), in capitals; lists of
//! texts are written with commas, lists of tables as a TOML array, e.g. `[{ name = "ops", token = "…" }]`.

mod duration;
mod merge;
mod sections;

use std::{fmt, path::Path};

use serde::de::DeserializeOwned;

pub use duration::HumanDuration;
pub use sections::{
    AccessConfig, BusConfig, BusKind, EgressConfig, ListenConfig, LogFormat, OperatorKey, PostgresConfig, Profile,
    ServerConfig, ShutdownConfig, TelemetryConfig,
};

/// Prefix of the environment variables that are read.
pub const ENV_PREFIX: &str = "LATCHKEY_";

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, e.g. `session.shards`.
    pub key: String,
    /// What is wrong with it and where it came from.
    pub text: String,
}

/// Everything that is wrong with the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems(Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} problem(s)", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {}: {}", problem.key, problem.text))
    }
}

impl Problems {
    /// Notes a problem.
    pub fn add(&mut self, key: impl Into<String>, text: impl Into<String>) {
        self.0.push(Problem { key: key.into(), text: text.into() });
    }

    /// Notes a problem unless `holds`.
    pub fn check(&mut self, holds: bool, key: impl Into<String>, text: impl Into<String>) {
        if !holds {
            self.add(key, text);
        }
    }

    /// Returns what was noted.
    pub fn list(&self) -> &[Problem] {
        &self.0
    }

    fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

/// Configuration that can say what is wrong with its values.
pub trait Validate {
    /// Notes every value that cannot be used.
    fn validate(&self, problems: &mut Problems);
}

/// Loads configuration from `defaults`, then `file`, then the variables of `env` that start with [`ENV_PREFIX`].
///
/// # Errors
/// [`Problems`], all that were found.
pub fn load<C: DeserializeOwned + Validate>(
    defaults: &str,
    file: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<C, Problems> {
    let mut problems = Problems::default();
    let mut merged = match defaults.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            problems.add("defaults", error.to_string());
            return Err(problems);
        }
    };
    if let Some(file) = file {
        merge::file(&mut merged, file, &mut problems);
    }
    merge::env(&mut merged, env, &mut problems);
    let parsed = match C::deserialize(toml::Value::Table(merged)) {
        Ok(config) => Some(config),
        Err(error) => {
            problems.add("value", error.to_string().trim_end().replace('\n', " "));
            None
        }
    };
    let Some(config) = parsed else { return Err(problems) };
    config.validate(&mut problems);
    problems.into_result(config)
}

#[cfg(test)]
mod tests;
