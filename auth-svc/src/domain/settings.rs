//! What an application is set to beyond its addresses. Read and written as a whole, so it is kept as one document.

use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    application::{are_of_one_origin, is_redirect_uri},
    keys::SigningAlgorithm,
};

/// Settings of an application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientSettings {
    /// The page that ends a session of the browser that opens it.
    pub frontchannel_logout: LogoutTarget,
    /// Where logout tokens are posted.
    pub backchannel_logout: LogoutTarget,
    /// Its public keys, a JWK set as JSON; empty for none.
    pub jwks: String,
    /// Where it publishes them instead; empty when it does not.
    pub jwks_uri: String,
    /// Whether a user is asked before the application gets to know them.
    pub requires_consent: bool,
    /// Whether it must use PKCE although it is confidential.
    pub requires_pkce: bool,
    /// Whether its requests count only when it pushed them (RFC 9126 §6).
    pub requires_pushed_requests: bool,
    /// Whether its tokens must be bound to a key that it shows (RFC 9449).
    pub requires_dpop: bool,
    /// Whether UserInfo answers it with a signed JWT.
    pub signs_userinfo: bool,
    /// By what we sign what it gets: access tokens, ID tokens, logout tokens, UserInfo, introspection.
    pub signing_algorithm: SigningAlgorithm,
    /// Whether devices without a browser may ask for it.
    pub allows_devices: bool,
    /// Hash of the token with which it manages its own registration; empty for what did not register itself.
    pub registration_token: String,
    /// Origins whose scripts may call.
    pub cors_origins: Vec<String>,
    /// Resources that it may ask access tokens for.
    pub allowed_resources: Vec<String>,
    /// How far a logout that it asks for goes.
    pub logout_reach: LogoutReach,
    /// Whether only users may sign in who are registered for it.
    pub requires_registration: bool,
}

/// Whose sessions end when an application logs its user out, besides those that end with every SSO session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogoutReach {
    /// Its own.
    #[default]
    Own,
    /// Its own and those of these applications.
    Listed(Vec<String>),
    /// Those of every application that was opened with the SSO session.
    All,
}

impl LogoutReach {
    /// Says whether a logout that `asking` asks for ends the sessions of `application`, whatever that is set to.
    pub fn includes(&self, asking: &str, application: &str) -> bool {
        let is_asking = !asking.is_empty() && asking == application;
        is_asking
            || match self {
                Self::Own => false,
                Self::Listed(applications) => applications.iter().any(|listed| listed == application),
                Self::All => true,
            }
    }
}

/// Where an application is told of a logout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogoutTarget {
    /// Address; empty for none.
    pub uri: String,
    /// Whether it must be told which session.
    pub session_required: bool,
}

impl LogoutTarget {
    /// Says whether it is of the origin of one of these addresses, if there is one: the page that a browser opens must be the
    /// application's own (OpenID Connect Front-Channel Logout 1.0 §2).
    pub fn is_of_one_of(&self, redirect_uris: &[String]) -> bool {
        self.uri.is_empty() || redirect_uris.iter().any(|uri| are_of_one_origin(uri, &self.uri))
    }
}

/// Largest key set, in bytes, and most keys in it.
const JWKS_BYTES_MAX: usize = 16 * 1024;
const JWKS_KEYS_MAX: usize = 16;

/// Members of a JWK that only a private or symmetric key has (RFC 7518 §6).
pub const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Says what is wrong with a key set.
pub fn jwks_problem(text: &str) -> Option<&'static str> {
    if text.len() > JWKS_BYTES_MAX {
        return Some("must not be longer than 16 KiB");
    }
    let set: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let Some(keys) = set.as_ref().and_then(|set| set.get("keys")).and_then(|keys| keys.as_array()) else {
        return Some("must be a JWK set as JSON");
    };
    let is_public = |key: &serde_json::Value| {
        let kind = key.get("kty").and_then(|kind| kind.as_str());
        matches!(kind, Some("RSA" | "EC" | "OKP")) && SECRET_MEMBERS.iter().all(|member| key.get(member).is_none())
    };
    if keys.is_empty() || keys.len() > JWKS_KEYS_MAX {
        Some("must have 1 to 16 keys")
    } else if !keys.iter().all(is_public) {
        Some("must have public keys of kty RSA, EC or OKP only")
    } else {
        None
    }
}

/// What is wrong with how an application makes its keys known: the member, and the problem.
pub type KeysProblem = (&'static str, &'static str);

impl ClientSettings {
    /// Says what is wrong with its keys, which it must have if it authenticates itself by them.
    pub fn keys_problem(&self, are_needed: bool) -> Option<KeysProblem> {
        match (self.jwks.as_str(), self.jwks_uri.as_str()) {
            ("", "") if are_needed => {
                Some(("jwks", "must be given, or jwks_uri: the application authenticates itself by its key"))
            }
            ("", "") => None,
            (set, "") => jwks_problem(set).map(|problem| ("jwks", problem)),
            ("", uri) if is_redirect_uri(uri) => None,
            ("", _) => Some(("jwks_uri", "must be an https address (http on the own machine) without fragment")),
            _ => Some(("jwks_uri", "must not be given beside jwks")),
        }
    }
}

/// Says whether a text is an origin as browsers send it, of an address that could be a redirect address.
pub fn is_origin(text: &str) -> bool {
    is_redirect_uri(text) && Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text)
}

/// Longest name of a resource, in bytes.
const RESOURCE_BYTES_MAX: usize = 2048;

/// Says whether a text names a resource (RFC 8707 §2): an absolute address without fragment.
pub fn is_resource(text: &str) -> bool {
    text.len() <= RESOURCE_BYTES_MAX
        && !text.contains('#')
        && !text.contains(char::is_whitespace)
        && Url::parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_sets_are_public() {
        let rsa = r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#;
        assert_eq!(jwks_problem(rsa), None);
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"keys":[]}"#,
            r#"{"keys":[{"kty":"oct","k":"x"}]}"#,
            r#"{"keys":[{"kty":"EC","d":"x"}]}"#,
            r#"{"keys":["x"]}"#,
        ] {
            assert!(jwks_problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn keys_are_given_or_published_and_not_both() {
        let rsa = r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#;
        for (jwks, jwks_uri, are_needed, expected) in [
            ("", "", false, None),
            ("", "", true, Some("jwks")),
            (rsa, "", true, None),
            ("{}", "", false, Some("jwks")),
            ("", "https://app.example/jwks", true, None),
            ("", "http://app.example/jwks", true, Some("jwks_uri")),
            ("", "https://app.example/jwks#one", false, Some("jwks_uri")),
            (rsa, "https://app.example/jwks", true, Some("jwks_uri")),
        ] {
            let (jwks, jwks_uri) = (jwks.to_owned(), jwks_uri.to_owned());
            let settings = ClientSettings { jwks, jwks_uri, ..ClientSettings::default() };
            assert_eq!(settings.keys_problem(are_needed).map(|(member, _)| member), expected, "{settings:?}");
        }
    }

    #[test]
    fn origins_are_what_browsers_send() {
        for good in ["https://app.example.com", "https://app.example.com:8443", "http://localhost:3000"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in ["*", "null", "https://app.example.com/", "https://app.example.com:443", "http://a.example", ""] {
            assert!(!is_origin(bad), "{bad}");
        }
    }

    #[test]
    fn resources_are_absolute() {
        assert!(is_resource("https://api.example.com/v1") && is_resource("urn:example:api"));
        assert!(!is_resource("api") && !is_resource("https://api.example.com/#x"));
    }
}
