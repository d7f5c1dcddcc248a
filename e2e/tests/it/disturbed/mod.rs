//! People sign in and applications refresh while keys change, services are killed, and the database breaks every connection
//! or crashes. Whatever fails must be cured by trying again, and no token is ever refused that was given.

mod heavy;
