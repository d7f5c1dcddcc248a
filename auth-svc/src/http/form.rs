//! Forms and queries: bounded, each name once.

use axum::{
    body::Bytes,
    http::{HeaderMap, header},
};

use crate::domain::authorize::Parameters;

/// Most fields of a form or query.
const FIELDS_MAX: usize = 100;

/// What is wrong with a form.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FormError {
    /// Not `application/x-www-form-urlencoded`.
    NotAForm,
    /// Too many fields, or one twice.
    Invalid,
}

/// Reads a query.
pub(super) fn query(text: Option<&str>) -> Result<Parameters, FormError> {
    parse(text.unwrap_or_default().as_bytes())
}

/// Reads a form.
pub(super) fn form(headers: &HeaderMap, body: &Bytes) -> Result<Parameters, FormError> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_form = content_type.split(';').next().unwrap_or_default().trim() == "application/x-www-form-urlencoded";
    if is_form { parse(body) } else { Err(FormError::NotAForm) }
}

fn parse(bytes: &[u8]) -> Result<Parameters, FormError> {
    let pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(bytes).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    // NUL is the one character that our database cannot hold, and nobody needs.
    let is_clean = pairs.iter().all(|(name, value)| !name.contains('\0') && !value.contains('\0'));
    if pairs.len() > FIELDS_MAX || !is_clean {
        return Err(FormError::Invalid);
    }
    Parameters::collect(pairs).map_err(|_| FormError::Invalid)
}

/// Says whether a form was sent from one of our own pages (`Origin`, `Sec-Fetch-Site`).
pub(super) fn is_from_us(headers: &HeaderMap, base_url: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = url::Url::parse(base_url).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    // A page with `no-referrer` sends the origin "null" in some browsers; then the fetch metadata decide.
    let is_own_origin = text("origin").is_none_or(|sent| sent == origin || sent == "null");
    let is_own_site = text("sec-fetch-site").is_none_or(|site| ["same-origin", "none"].contains(&site));
    is_own_origin && is_own_site
}
