//! The OpenID Provider: authorization, exchange of codes and tokens, logout.

pub mod account;
pub mod authorize;
pub mod client;
pub mod consent;
pub mod device;
pub mod end_session;
pub mod exchange;
pub mod logout_token;
pub mod participants;
pub mod possession;
pub mod pushed;
pub mod registration;
pub mod sso;
