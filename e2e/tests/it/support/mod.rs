//! What the tests share.

mod backend;
mod browser;
mod objects;
mod proxy;
mod raw;
mod real;
mod receiver;
mod relying_party;
mod servers;
mod stack;
mod wait;

pub use backend::Backend;
pub use browser::Browser;
pub use objects::Objects;
pub use proxy::Proxy;
pub use raw::{RawClient, reason_of};
pub use real::{Real, Servers, Service, with_real, with_servers};
pub use receiver::Receiver;
pub use relying_party::RelyingParty;
pub use servers::{OwnPostgres, OwnRabbit, OwnRedis};
pub use stack::{Carrier, DEFAULT_TENANT, OPERATOR_KEY, OTHER_TENANT, Stack};
pub use wait::{eventually, unique, within};
