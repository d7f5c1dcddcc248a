//! Applications: OAuth clients.

use svc_kit::{clock::Timestamp, secret};
use url::{Host, Url};

use super::{session_policy::SessionPolicy, settings::ClientSettings};

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
    /// The secret before the last rotation.
    pub old_secret: Option<OldSecret>,
    /// Everything else that it is set to.
    pub settings: ClientSettings,
    /// How long its sessions live, where that is not as its tenant says.
    pub session_policy: SessionPolicy,
    /// Grows with every change.
    pub revision: i64,
}

/// A secret that was replaced.
#[derive(Clone, PartialEq, Eq)]
pub struct OldSecret {
    /// Its hash.
    pub hash: SecretHash,
    /// When it ends.
    pub until: Timestamp,
}

impl std::fmt::Debug for OldSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OldSecret").field("until", &self.until).finish_non_exhaustive()
    }
}

/// How a client authenticates itself (RFC 6749 §2.1).
#[derive(Clone, PartialEq, Eq)]
pub enum Client {
    /// It cannot keep a secret.
    Public,
    /// By a secret, of which we keep the hash.
    Confidential(SecretHash),
    /// By a JWT that it signs with a key of its own (RFC 7523).
    PrivateKey,
}

impl Client {
    /// Says whether such an application may have its answers sent to an address. Only installed programs have schemes of
    /// their own, and they can keep no secret.
    pub fn may_be_answered_at(&self, uri: &str) -> bool {
        is_redirect_uri(uri) || (*self == Self::Public && is_private_use_uri(uri))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Public => "Public",
            Self::Confidential(_) => "Confidential",
            Self::PrivateKey => "PrivateKey",
        })
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
    /// Makes an application that may do nothing yet.
    pub fn new(id: &str, tenant: &str, client: Client) -> Self {
        Self {
            id: id.to_owned(),
            tenant: tenant.to_owned(),
            name: String::new(),
            client,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            service_scopes: Vec::new(),
            is_application_managed: false,
            keep_on_sso_logout: false,
            old_secret: None,
            settings: ClientSettings::default(),
            session_policy: SessionPolicy::default(),
            revision: 0,
        }
    }

    /// Says whether `secret` is the application's, or the one before while that is good.
    pub fn has_secret(&self, secret: &str, now: Timestamp) -> bool {
        let Client::Confidential(hash) = &self.client else { return false };
        let is_old = |old: &OldSecret| now < old.until && old.hash.is_of(secret);
        hash.is_of(secret) || self.old_secret.as_ref().is_some_and(is_old)
    }

    /// Says whether it must use PKCE.
    pub fn requires_pkce(&self) -> bool {
        self.is_public() || self.settings.requires_pkce
    }

    /// Says whether devices without a browser may ask for it. What keeps its own sessions needs a browser's to take part in.
    pub fn may_use_devices(&self) -> bool {
        self.settings.allows_devices && !self.is_application_managed
    }

    /// Says whether it may ask access tokens for these resources.
    pub fn may_ask_for(&self, resources: &[String]) -> bool {
        let bytes: usize = resources.iter().map(|resource| resource.len() + 1).sum();
        bytes <= RESOURCES_BYTES_MAX
            && resources.iter().all(|resource| self.settings.allowed_resources.contains(resource))
    }

    /// Says whether the client can keep no secret.
    pub fn is_public(&self) -> bool {
        self.client == Client::Public
    }
}

/// Longest names of the resources of one request, in bytes: they are kept with the session.
const RESOURCES_BYTES_MAX: usize = 2048;
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

/// Says whether an address is of an installed program's own scheme, which is named after a domain, backwards, so that it is
/// nobody else's: `com.example.app:/cb` (RFC 8252 §7.1).
fn is_private_use_uri(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    url.scheme().contains('.')
        && text.len() <= URI_BYTES_MAX
        && url.path().starts_with('/')
        && !url.has_authority()
        && !text.contains(['#', '*'])
}

/// Says whether two addresses are of one origin, as browsers see it.
pub fn are_of_one_origin(one: &str, other: &str) -> bool {
    let origin = |text: &str| Url::parse(text).ok().map(|url| url.origin()).filter(url::Origin::is_tuple);
    origin(one).is_some_and(|of_one| origin(other) == Some(of_one))
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
    #[test]
    fn installed_programs_have_schemes_of_their_own() {
        let confidential = Client::Confidential(SecretHash::of("s"));
        for good in ["com.example.app:/cb", "com.example.app:/cb?x=1"] {
            assert!(Client::Public.may_be_answered_at(good) && !confidential.may_be_answered_at(good), "{good}");
        }
        for bad in [
            "app:/cb",
            "javascript:alert(1)",
            "com.example.app:cb",
            "com.example.app://cb",
            "com.example.app:/cb#x",
            "com.example.app:/*",
            "com.example.app:",
        ] {
            assert!(!Client::Public.may_be_answered_at(bad), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let one = "https://a.example/cb";
        assert!(are_of_one_origin(one, "https://a.example:443/out?x"));
        for other in ["http://a.example/", "https://a.example:444/", "https://b.example/", "", "com.example.app:/cb"] {
            assert!(!are_of_one_origin(one, other), "{other}");
        }
        assert!(!are_of_one_origin("com.example.app:/cb", "com.example.app:/cb"), "that is no origin");
    }
}
