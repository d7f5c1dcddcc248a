//! Real relying parties against the provider: libraries that others wrote, each in its own language. The browser is ours.

mod authlib;
mod openid_client;
mod openidconnect;
mod oracle;
mod oracle_meant;
mod oracle_sign_in;
mod party;

use latchkey::dev::{self, DevOptions, DevServer, Ports, Seed};

/// Starts a provider whose time is the machine's, as it is for the libraries.
async fn started() -> DevServer {
    let seed = Seed::parse(super::support::SEED).unwrap();
    dev::start(DevOptions::new(Ports::free(), seed)).await.unwrap()
}
