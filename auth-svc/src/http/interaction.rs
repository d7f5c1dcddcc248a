//! What a form carries for us between showing it and getting it back: sealed, bound to the browser, short-lived.

use axum::http::HeaderMap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::Duration;
use svc_kit::{clock::Timestamp, entropy, id::encode_base32, secret};

use super::cookies::{Cookies, INTERACTION};
use crate::{
    app::{Adapters, Auth},
    error::AuthError,
};

/// How long a form may be looked at.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

#[derive(Serialize, Deserialize)]
struct Sealed<T> {
    browser: String,
    expires_at: Timestamp,
    content: T,
}

/// A form that is about to be shown.
pub(super) struct Shown {
    /// Value of the hidden field.
    pub(super) field: String,
    /// Cookie that binds it.
    pub(super) cookie: String,
}

/// Seals what a form carries. A browser that has a binding keeps it, so that two tabs do not spoil each other.
pub(super) fn show<A: Adapters, T: Serialize>(
    auth: &Auth<A>,
    context: &str,
    headers: &HeaderMap,
    cookies: &Cookies,
    content: T,
) -> Result<Shown, AuthError> {
    let known = cookies.get(headers, INTERACTION).filter(|browser| browser.len() == 26);
    let browser = known.unwrap_or_else(|| encode_base32(&entropy::bytes::<16>(&*auth.entropy)));
    let sealed = Sealed { browser: browser.clone(), expires_at: auth.clock.now().saturating_add(LIFETIME), content };
    let json = serde_json::to_vec(&sealed).map_err(|error| crate::ports::TokensError(error.into()))?;
    let field = auth.seal.seal(&*auth.entropy, context.as_bytes(), &json);
    let field = field.map_err(|error| crate::ports::TokensError(error.into()))?;
    let cookie = cookies.set(INTERACTION, browser, Some(LIFETIME.as_secs().cast_signed()));
    Ok(Shown { field: URL_SAFE_NO_PAD.encode(field), cookie })
}

/// Opens what came back; `None` when it is not ours, too old, or of another browser.
pub(super) fn back<A: Adapters, T: DeserializeOwned>(
    auth: &Auth<A>,
    context: &str,
    headers: &HeaderMap,
    cookies: &Cookies,
    field: &str,
) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(field).ok()?;
    let json = auth.seal.open(context.as_bytes(), &bytes).ok()?;
    let sealed: Sealed<T> = serde_json::from_slice(&json).ok()?;
    let browser = cookies.get(headers, INTERACTION)?;
    let is_same = secret::constant_time_eq(browser.as_bytes(), sealed.browser.as_bytes());
    (is_same && auth.clock.now() < sealed.expires_at).then_some(sealed.content)
}
