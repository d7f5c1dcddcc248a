//! The hosted pages, where their surroundings matter: the scheme of the issuer, and how busy the service is.

mod scheme;
mod waits;
