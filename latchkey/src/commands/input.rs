//! Values that people type: secrets that may come from stdin, moments, names.

use std::io::{IsTerminal as _, Read as _};

use clap::Args;

use svc_kit::{clock::Timestamp, config::HumanDuration};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use webhook_svc::domain::signature::SigningSecret;

use crate::failure::Failure;

/// Longest value that is read from stdin.
const STDIN_BYTES_MAX: u64 = 64 * 1024;

/// Returns `text`, or for `-` what stands on stdin, so that a secret stays off the command line.
///
/// # Errors
/// Fails when stdin is empty, too long or not text.
pub fn text_or_stdin(text: &str) -> Result<String, Failure> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    match stdin()?.trim() {
        "" => Err(Failure::usage(READ_STDIN, "it is empty")),
        value => Ok(value.to_owned()),
    }
}

const READ_STDIN: &str = "read the value from stdin";

fn stdin() -> Result<String, Failure> {
    let mut read = String::new();
    let result = std::io::stdin().lock().take(STDIN_BYTES_MAX).read_to_string(&mut read);
    result.map(|_| read).map_err(|error| Failure::usage(READ_STDIN, error.to_string()))
}

/// Environment variables that hold a password, and the one that is to come in its place.
const PASSWORD_VARIABLE: &str = "LATCHKEY_PASSWORD";
const NEW_PASSWORD_VARIABLE: &str = "LATCHKEY_NEW_PASSWORD";

/// Where a password comes from; never from the command line, where others could read it.
#[derive(Args, Debug)]
pub struct PasswordArgs {
    /// Reads the password from stdin. Without it: from LATCHKEY_PASSWORD, or by asking at the terminal.
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordArgs {
    /// Returns the password that `user` has.
    ///
    /// # Errors
    /// Fails when there is none to be had.
    pub fn existing(&self, user: &str) -> Result<String, Failure> {
        self.given().unwrap_or_else(|| ask(&format!("Password of {user}: ")))
    }

    /// Returns the password that `user` shall have; at the terminal it is asked for twice.
    ///
    /// # Errors
    /// Fails when there is none to be had, or when the two differ.
    pub fn new_one(&self, user: &str) -> Result<String, Failure> {
        self.given().unwrap_or_else(|| ask_twice(user))
    }

    fn given(&self) -> Option<Result<String, Failure>> {
        if self.password_stdin {
            // Only the line's end is not part of it.
            return Some(stdin().map(|text| text.trim_end_matches(['\r', '\n']).to_owned()));
        }
        std::env::var(PASSWORD_VARIABLE).ok().map(Ok)
    }
}

/// Returns the password that `user` shall have in place of the present one, from LATCHKEY_NEW_PASSWORD or the terminal.
///
/// # Errors
/// Fails when there is none to be had, or when the two that are typed differ.
pub fn another_password(user: &str) -> Result<String, Failure> {
    std::env::var(NEW_PASSWORD_VARIABLE).map_or_else(|_| ask_twice(user), Ok)
}

fn ask_twice(user: &str) -> Result<String, Failure> {
    let password = ask(&format!("New password of {user}: "))?;
    if ask("Once more: ")? == password {
        return Ok(password);
    }
    Err(Failure::usage("read the password", "the two differ"))
}

fn ask(prompt: &str) -> Result<String, Failure> {
    const ATTEMPT: &str = "read the password";
    if !std::io::stdin().is_terminal() {
        let hint = format!("give --password-stdin or set {PASSWORD_VARIABLE}");
        return Err(Failure::usage(ATTEMPT, "there is no terminal to ask at").hint(hint));
    }
    rpassword::prompt_password(prompt).map_err(|error| Failure::usage(ATTEMPT, error.to_string()))
}

/// A moment: RFC 3339, or how long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    At(Timestamp),
    Ago(HumanDuration),
}

impl Moment {
    pub fn to_proto(self, now: Timestamp) -> prost_types::Timestamp {
        match self {
            Self::At(moment) => moment.to_proto(),
            Self::Ago(duration) => now.saturating_sub(duration.0).to_proto(),
        }
    }
}

/// Reads a moment.
///
/// # Errors
/// Says what is accepted.
pub fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(duration) = text.parse() {
        return Ok(Moment::Ago(duration));
    }
    let at = OffsetDateTime::parse(text, &Rfc3339);
    at.map(|at| Moment::At(Timestamp::from_offset(at)))
        .map_err(|_| "neither a time such as 2026-01-31T09:30:00Z nor how long ago, such as 90m or 2d".to_owned())
}

/// Reads the secret of an endpoint.
///
/// # Errors
/// Says what is accepted.
pub fn secret(text: &str) -> Result<SigningSecret, &'static str> {
    SigningSecret::parse(text).ok_or("a secret is whsec_ and the base64 of 24 to 64 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_times_or_how_long_ago() {
        let now = Timestamp::from_ms(1_700_000_000_000);
        let proto = |text: &str| moment(text).map(|moment| moment.to_proto(now).seconds);
        assert_eq!(proto("2h"), Ok(1_699_992_800));
        assert_eq!(proto("2023-11-14T22:13:20+00:00"), Ok(1_700_000_000));
        for text in ["", "yesterday", "2023-11-14", "-2h"] {
            assert!(proto(text).is_err(), "{text:?}");
        }
    }
}
