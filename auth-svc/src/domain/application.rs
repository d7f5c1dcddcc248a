//! Applications: OAuth clients.

use svc_kit::secret;
use url::{Host, Url};

/// An application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// `client_id`.
    pub id: String,
    /// Tenant.
    pub tenant: String,
    /// Name for people.
    pub name: String,
    /// How it authenticates itself.
    pub client: Client,
    /// Where codes may be sent.
    pub redirect_uris: Vec<String>,
    /// Where a browser may be sent after logout.
    pub post_logout_redirect_uris: Vec<String>,
    /// Scopes that it may have of its own.
    pub service_scopes: Vec<String>,
    /// Whether it keeps its own sessions.
    pub is_application_managed: bool,
    /// Whether its sessions live on when the SSO session ends.
    pub keep_on_sso_logout: bool,
}

/// How a client authenticates itself (RFC 6749 §2.1).
#[derive(Clone, PartialEq, Eq)]
pub enum Client {
    /// It cannot keep a secret.
    Public,
    /// By a secret, of which we keep the hash.
    Confidential(SecretHash),
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::Public { "Public" } else { "Confidential" })
    }
}

/// SHA-256 of a client secret. Ours are 256 random bits, for which a slow hash would add nothing but load.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Hashes a secret.
    pub fn of(secret: &str) -> Self {
        Self(secret::sha256(secret.as_bytes()))
    }

    /// Takes a stored hash.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Says whether `secret` is the one, in constant time.
    pub fn is_of(&self, secret: &str) -> bool {
        secret::constant_time_eq(&self.0, &Self::of(secret).0)
    }
}

impl Application {
    /// Says whether the client can keep no secret.
    pub fn is_public(&self) -> bool {
        self.client == Client::Public
    }
}

/// Longest address, in bytes.
const URI_BYTES_MAX: usize = 2048;

/// Says whether an address may be registered: `https`, or `http` on the own machine; no fragment, no wildcard.
pub fn is_redirect_uri(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let is_own_machine = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_secure = url.scheme() == "https" || (url.scheme() == "http" && is_own_machine);
    is_secure
        && text.len() <= URI_BYTES_MAX
        && url.has_host()
        && url.fragment().is_none()
        && !text.contains('#')
        && !text.contains('*')
        && url.username().is_empty()
        && url.password().is_none()
}

/// Says whether a text can be a `client_id`.
pub fn is_client_id(text: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    // A client must not be taken for a user (RFC 9700 §4.15).
    (1..=128).contains(&text.len()) && text.chars().all(is_good) && !text.starts_with("user_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_uris_are_https_or_the_own_machine() {
        for good in
            ["https://app.example.com/cb?x=1", "http://localhost:8080/cb", "http://127.0.0.1/cb", "http://[::1]:1/"]
        {
            assert!(is_redirect_uri(good), "{good}");
        }
        for bad in [
            "",
            "/cb",
            "http://example.com/cb",
            "javascript:alert(1)",
            "https://a/#f",
            "https://*.a/",
            "https://u@a/",
            "data:text/html,x",
            "https:///x y\u{0}",
        ] {
            assert!(!is_redirect_uri(bad), "{bad}");
        }
    }
}
