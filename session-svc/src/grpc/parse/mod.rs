//! Requests → commands. Everything that can be wrong with a request is found here.

mod end;
mod life;
mod list;
mod value;

pub(super) use self::{
    end::{close_scope, open_scope, revoke, revoke_many, scope},
    life::{create, reauthenticate, refresh, touch, update, validate},
    list::{filter, list, page_token},
    value::session_id,
};
use crate::error::SessionError;

type Parsed<T> = Result<T, SessionError>;
