//! What went wrong, said so that it can be acted upon, and the exit code that it leads to.

use std::{error::Error, fmt};

use svc_kit::error::chain;

/// How a command ended, as scripts see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// The answer is no.
    No = 1,
    /// The command line, or a value on it, is wrong.
    Usage = 2,
    /// A service is not reachable or too busy; trying again is safe.
    Unavailable = 3,
    /// The credential is missing, not valid, or may not do this.
    Denied = 4,
    /// A fault of ours.
    Fault = 5,
}

impl Exit {
    /// Returns the exit code of the process.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// Why a command could not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was attempted, as in "cannot …".
    pub attempt: String,
    /// What stood in the way.
    pub cause: String,
    /// Stable name of the cause, where a service gave one.
    pub reason: Option<String>,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
    exit: Exit,
}

impl Failure {
    /// Says that `attempt` failed because of `cause`.
    pub fn new(attempt: impl Into<String>, cause: impl Into<String>, exit: Exit) -> Self {
        Self { attempt: attempt.into(), cause: cause.into(), reason: None, hint: None, exit }
    }

    /// Says that a value on the command line cannot be used.
    pub fn usage(attempt: impl Into<String>, cause: impl Into<String>) -> Self {
        Self::new(attempt, cause, Exit::Usage)
    }

    /// Says that something failed that does not depend on the caller.
    pub fn fault(attempt: impl Into<String>, cause: impl Error + 'static) -> Self {
        Self::new(attempt, chain(&cause), Exit::Fault)
    }

    /// Adds the stable name of the cause.
    #[must_use]
    pub fn reason(mut self, reason: Option<String>) -> Self {
        self.reason = reason;
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the exit code that it leads to.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.attempt, self.cause)?;
        if let Some(reason) = &self.reason {
            write!(f, " ({reason})")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl Error for Failure {}
