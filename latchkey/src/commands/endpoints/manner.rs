//! How requests are signed, what headers they have, how much of an event they bring, and when they are made again.

use clap::{Args, ValueEnum};
use proto::webhook::v1::{EndpointHeader, PayloadProfile, SignatureScheme};
use svc_kit::config::HumanDuration;

use crate::{commands::input::text_or_stdin, failure::Failure};

/// What `create` and `update` say alike.
#[derive(Args, Debug)]
pub struct MannerArgs {
    /// How requests are signed.
    #[arg(long, value_enum)]
    pub signature: Option<Signature>,
    /// Header that is added to requests; may be repeated.
    #[arg(long = "header", value_name = "NAME:VALUE", value_parser = header)]
    headers: Vec<EndpointHeader>,
    /// The same with a value that is sealed and never shown again, e.g. `authorization:-`. `-` reads it from stdin; without a value
    /// an update keeps the one that there is.
    #[arg(long = "secret-header", value_name = "NAME:VALUE", value_parser = header)]
    secret_headers: Vec<EndpointHeader>,
    /// How much of an event is sent.
    #[arg(long, value_enum)]
    pub payload: Option<Payload>,
    /// Pauses between attempts, e.g. `5s,5m,2h`.
    #[arg(long = "retry", value_name = "PAUSES", value_delimiter = ',')]
    pub retries: Vec<HumanDuration>,
}

/// How requests are signed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Signature {
    /// With a secret that both sides know (`v1`).
    Hmac,
    /// With a key whose public half anyone may have (`v1a`).
    Ed25519,
    /// With both.
    Both,
}

impl From<Signature> for SignatureScheme {
    fn from(signature: Signature) -> Self {
        match signature {
            Signature::Hmac => Self::HmacSha256,
            Signature::Ed25519 => Self::Ed25519,
            Signature::Both => Self::Both,
        }
    }
}

/// How much of an event is sent.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Payload {
    /// All of it.
    Full,
    /// Ids and names of what happened, and nothing about people.
    Ids,
}

impl From<Payload> for PayloadProfile {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::Full => Self::Full,
            Payload::Ids => Self::Ids,
        }
    }
}

impl MannerArgs {
    pub fn has_headers(&self) -> bool {
        !(self.headers.is_empty() && self.secret_headers.is_empty())
    }

    pub fn scheme(&self) -> i32 {
        self.signature.map_or(SignatureScheme::Unspecified, Into::into).into()
    }

    pub fn profile(&self) -> i32 {
        self.payload.map_or(PayloadProfile::Unspecified, Into::into).into()
    }

    pub fn pauses(&self) -> Vec<prost_types::Duration> {
        // Too long for the contract is too long for a pause; the service says so.
        let pause = |pause: &HumanDuration| prost_types::Duration::try_from(pause.0).unwrap_or_default();
        self.retries.iter().map(pause).collect()
    }

    /// The headers; reads stdin where that is asked for.
    ///
    /// # Errors
    /// Fails when stdin has none to give.
    pub fn headers(self) -> Result<Vec<EndpointHeader>, Failure> {
        let secret = self.secret_headers.into_iter().map(|header| {
            let value = text_or_stdin(&header.value)?;
            Ok(EndpointHeader { value, secret: true, ..header })
        });
        self.headers.into_iter().map(Ok).chain(secret).collect()
    }
}

fn header(text: &str) -> Result<EndpointHeader, &'static str> {
    let (name, value) = text.split_once(':').ok_or("a header is NAME:VALUE")?;
    Ok(EndpointHeader { name: name.trim().to_owned(), value: value.trim().to_owned(), secret: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_name_and_a_value() {
        let read = |text| header(text).map(|header| (header.name, header.value));
        assert_eq!(read("X-A: b:c "), Ok(("X-A".to_owned(), "b:c".to_owned())));
        assert_eq!(read("authorization:"), Ok(("authorization".to_owned(), String::new())));
        assert!(read("x").is_err());
    }
}
