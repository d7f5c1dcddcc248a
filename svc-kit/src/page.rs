//! Page tokens: opaque to callers, bound to the request that they continue.
//!
//! A token is the cursor and a MAC over the cursor and the request's parameters, so that a token of another list, another
//! filter or another order is refused instead of yielding a wrong page. It protects against mistakes, not against
//! secrets leaking: the cursor is readable.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    error::{Kind, ServiceError},
    secret,
};

/// Longest token that is looked at, in bytes.
pub const TOKEN_BYTES_MAX: usize = 1024;

const MAC_LEN: usize = 16;
const MAC_KEY: &[u8] = b"latchkey page token 1";

/// A page token that does not belong to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("page_token: is not a token of this list")]
pub struct PageTokenError;

impl ServiceError for PageTokenError {
    fn kind(&self) -> Kind {
        Kind::InvalidArgument
    }

    fn reason(&self) -> &'static str {
        "PAGE_TOKEN_INVALID"
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        vec![("field", "page_token".to_owned())]
    }
}

/// Makes the token that continues the list described by `request` after `cursor`.
pub fn encode(request: &[u8], cursor: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode([&mac(request, cursor)[..], cursor].concat())
}

/// Reads the cursor of a token that [`encode`] made for the same `request`.
///
/// # Errors
/// [`PageTokenError`] for anything else.
pub fn decode(request: &[u8], token: &str) -> Result<Vec<u8>, PageTokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(PageTokenError);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| PageTokenError)?;
    let (presented, cursor) = bytes.split_at_checked(MAC_LEN).ok_or(PageTokenError)?;
    if secret::constant_time_eq(presented, &mac(request, cursor)) { Ok(cursor.to_vec()) } else { Err(PageTokenError) }
}

/// Returns how many objects a page holds for the `page_size` of a request: 0 means `default`, more than `max` means `max`.
///
/// # Errors
/// [`FieldError`](crate::error::FieldError) for a negative size.
pub fn size(page_size: i32, default: usize, max: usize) -> Result<usize, crate::error::FieldError> {
    match usize::try_from(page_size) {
        Ok(0) => Ok(default),
        Ok(size) => Ok(size.min(max)),
        Err(_) => Err(crate::error::FieldError::new("page_size", "must not be negative")),
    }
}

fn mac(request: &[u8], cursor: &[u8]) -> [u8; MAC_LEN] {
    let length = u64::try_from(request.len()).unwrap_or(u64::MAX).to_be_bytes();
    let full = secret::hmac_sha256(MAC_KEY, &[&length, request, cursor]);
    let mut mac = [0; MAC_LEN];
    mac.copy_from_slice(&full[..MAC_LEN]);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_continues_its_own_list_only() {
        let token = encode(b"tenant=a", b"42");
        assert_eq!(decode(b"tenant=a", &token).unwrap(), b"42");
        assert_eq!(decode(b"tenant=b", &token), Err(PageTokenError));
        for other in ["", "x", "AAAA", &token[1..], &"A".repeat(2000)] {
            assert_eq!(decode(b"tenant=a", other), Err(PageTokenError));
        }
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!((size(0, 50, 500), size(7, 50, 500), size(9999, 50, 500)), (Ok(50), Ok(7), Ok(500)));
        assert!(size(-1, 50, 500).is_err());
    }
}
