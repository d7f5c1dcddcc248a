//! Headers that an owner adds to the requests to an endpoint: none that change what the request is, or what we say in it.

/// Most headers of an endpoint, and most bytes of a name, of a value, and of all of them.
pub const HEADERS_MAX: usize = 16;
/// See [`HEADERS_MAX`].
pub const NAME_BYTES_MAX: usize = 64;
/// See [`HEADERS_MAX`].
pub const VALUE_BYTES_MAX: usize = 1_024;
/// See [`HEADERS_MAX`].
pub const ALL_BYTES_MAX: usize = 4_096;

/// Hop-by-hop (RFC 9110 §7.6.1), what says where the request goes and how long it is, and what we say ourselves.
const RESERVED: [&str; 18] = [
    "accept-encoding",
    "connection",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "traceparent",
    "tracestate",
    "baggage",
    "link",
];
const RESERVED_PREFIXES: [&str; 4] = ["content-", "proxy-", "webhook-", "sec-"];
/// What opens doors is kept as a secret.
const SECRET: [&str; 2] = ["authorization", "cookie"];

/// Why a header is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// Not a name.
    #[error("must have names of 1 to 64 of A-Z a-z 0-9 and !#$%&'*+.^_`|~-")]
    Name,
    /// A name that is not for callers.
    #[error("must not name host, content-*, webhook-*, or what belongs to the connection or to us")]
    Reserved,
    /// It opens doors and is not declared as a secret.
    #[error("must declare authorization and cookie as secret")]
    NotSecret,
    /// Not a value.
    #[error("must have values of 1 to 1024 bytes of visible ASCII, with blanks only between")]
    Value,
    /// Two of one name.
    #[error("must not name a header twice")]
    Twice,
    /// Too many, or too much.
    #[error("must be at most 16, of 4096 bytes in all")]
    TooMany,
}

/// The name of a header, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderName(String);

impl HeaderName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`BadHeader::Name`] or [`BadHeader::Reserved`].
    pub fn parse(text: &str) -> Result<Self, BadHeader> {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if !(1..=NAME_BYTES_MAX).contains(&text.len()) || !text.chars().all(is_token) {
            return Err(BadHeader::Name);
        }
        let name = text.to_ascii_lowercase();
        let is_reserved = RESERVED.contains(&name.as_str()) || RESERVED_PREFIXES.iter().any(|it| name.starts_with(it));
        if is_reserved { Err(BadHeader::Reserved) } else { Ok(Self(name)) }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A header as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its value.
    pub value: Kept,
}

/// A value as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// As it is sent.
    Plain(String),
    /// Sealed: it is sent, and never shown again.
    Sealed(Vec<u8>),
}

/// A header that a caller gives.
#[derive(Clone)]
pub struct NewHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its value; an empty one of a secret means the one that is kept already.
    pub value: String,
    /// Whether its value is a secret.
    pub is_secret: bool,
}

impl std::fmt::Debug for NewHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewHeader({})", self.name.0)
    }
}

/// Checks headers that a caller gives together.
///
/// # Errors
/// [`BadHeader`].
pub fn check(headers: &[NewHeader]) -> Result<(), BadHeader> {
    let bytes: usize = headers.iter().map(|header| header.name.0.len() + header.value.len()).sum();
    if headers.len() > HEADERS_MAX || bytes > ALL_BYTES_MAX {
        return Err(BadHeader::TooMany);
    }
    for (position, header) in headers.iter().enumerate() {
        if headers[..position].iter().any(|other| other.name == header.name) {
            return Err(BadHeader::Twice);
        }
        if SECRET.contains(&header.name.as_str()) && !header.is_secret {
            return Err(BadHeader::NotSecret);
        }
        let may_be_empty = header.is_secret;
        if !(is_value(&header.value) || (may_be_empty && header.value.is_empty())) {
            return Err(BadHeader::Value);
        }
    }
    Ok(())
}

fn is_value(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    (1..=VALUE_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_good) && text.trim() == text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str, is_secret: bool) -> NewHeader {
        NewHeader { name: HeaderName::parse(name).unwrap(), value: value.to_owned(), is_secret }
    }

    #[test]
    fn names_that_change_what_the_request_is_are_refused() {
        for name in [
            "Host",
            "connection",
            "Keep-Alive",
            "TE",
            "trailer",
            "Transfer-Encoding",
            "UPGRADE",
            "proxy-authorization",
            "Proxy-Connection",
            "content-length",
            "Content-Type",
            "webhook-id",
            "Webhook-Signature",
            "user-agent",
            "traceparent",
            "expect",
            "http2-settings",
        ] {
            assert_eq!(HeaderName::parse(name), Err(BadHeader::Reserved), "{name}");
        }
        for name in ["", "a b", "a:b", "a\r\nb", "ä", "(x)", &"n".repeat(65)] {
            assert_eq!(HeaderName::parse(name), Err(BadHeader::Name), "{name:?}");
        }
        assert_eq!(HeaderName::parse("X-Api-Key").unwrap().as_str(), "x-api-key");
    }

    #[test]
    fn what_opens_doors_is_a_secret() {
        for name in ["Authorization", "cookie"] {
            assert_eq!(check(&[header(name, "x", false)]), Err(BadHeader::NotSecret), "{name}");
            assert_eq!(check(&[header(name, "x", true)]), Ok(()), "{name}");
        }
    }

    #[test]
    fn values_cannot_end_the_header() {
        for value in ["a\r\nb: c", "a\nb", "a\0b", " a", "a ", "\t", "ä", &"v".repeat(1_025)] {
            assert_eq!(check(&[header("x-a", value, true)]), Err(BadHeader::Value), "{value:?}");
        }
        assert_eq!(check(&[header("x-a", "", false)]), Err(BadHeader::Value));
        assert_eq!(check(&[header("x-a", "", true)]), Ok(()));
    }

    #[test]
    fn headers_are_few_short_and_each_once() {
        let many: Vec<_> = (0..17).map(|n| header(&format!("x-{n}"), "v", false)).collect();
        assert_eq!((check(&many[..16]), check(&many)), (Ok(()), Err(BadHeader::TooMany)));
        let long: Vec<_> = (0..4).map(|n| header(&format!("x-{n}"), &"v".repeat(1_022), false)).collect();
        assert_eq!((check(&long[..3]), check(&long)), (Ok(()), Err(BadHeader::TooMany)));
        assert_eq!(check(&[header("x-a", "1", false), header("X-A", "2", false)]), Err(BadHeader::Twice));
    }

    #[test]
    fn a_value_does_not_print() {
        assert!(!format!("{:?}", header("authorization", "hunter2", true)).contains("hunter2"));
    }
}
