//! Tenants, applications, users, and the rules of signing in. Pure and synchronous.

pub mod api_key;
pub mod application;
pub mod assertion;
pub mod audit;
pub mod authorize;
pub mod claims;
pub mod consent;
pub mod device;
pub mod dpop;
pub mod ending;
pub mod event;
pub mod grant;
pub mod keys;
pub mod password_hash;
pub mod pkce;
pub mod pushed;
pub mod redirect;
pub mod registration;
pub mod session_policy;
pub mod settings;
pub mod tenant;
pub mod throttle;
pub mod user;
pub mod user_registration;
