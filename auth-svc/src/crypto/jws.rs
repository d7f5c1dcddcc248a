//! The header of a JWS, before anything in it is believed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Reads the header; `None` for what is no JWS or demands extensions that we do not know (RFC 7515 §4.1.11).
pub(super) fn header(token: &str) -> Option<Value> {
    let encoded = token.split('.').next().filter(|_| token.len() <= TOKEN_BYTES_MAX)?;
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()?;
    let is_plain = header.is_object() && header.get("crit").is_none() && header.get("b64").is_none();
    is_plain.then_some(header)
}
