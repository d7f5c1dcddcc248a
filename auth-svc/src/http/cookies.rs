//! Cookies: the SSO session's token, and the binding of a sign-in form to its browser.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};

/// Reads and makes cookies of one tenant.
pub(super) struct Cookies {
    is_https: bool,
    tenant: String,
}

impl Cookies {
    /// Cookies of `tenant` on the site of `base_url`.
    pub(super) fn new(base_url: &str, tenant: &str) -> Self {
        Self { is_https: base_url.starts_with("https://"), tenant: tenant.to_owned() }
    }

    fn name(&self, what: &str) -> String {
        // __Host-: no other site, no parent domain and no plain connection can set it (RFC 6265bis §4.1.3).
        let prefix = if self.is_https { "__Host-" } else { "" };
        format!("{prefix}lk_{what}_{}", self.tenant)
    }

    /// The value of a cookie.
    pub(super) fn get(&self, headers: &HeaderMap, what: &str) -> Option<String> {
        CookieJar::from_headers(headers).get(&self.name(what)).map(|cookie| cookie.value().to_owned())
    }

    /// A cookie that lives for `seconds`, or as long as the browser.
    pub(super) fn set(&self, what: &str, value: String, seconds: Option<i64>) -> String {
        let mut cookie = Cookie::build((self.name(what), value))
            .path("/")
            .http_only(true)
            .secure(self.is_https)
            .same_site(SameSite::Lax);
        if let Some(seconds) = seconds {
            cookie = cookie.max_age(time::Duration::seconds(seconds));
        }
        cookie.build().to_string()
    }

    /// A cookie that removes another.
    pub(super) fn remove(&self, what: &str) -> String {
        self.set(what, String::new(), Some(0))
    }
}

/// Adds a cookie to a response.
pub(super) fn add_cookie(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// The SSO session's token.
pub(super) const SSO: &str = "sso";
/// What binds a form to its browser.
pub(super) const INTERACTION: &str = "interaction";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_https_no_other_site_can_set_our_cookies() {
        let cookies = Cookies::new("https://id.example", "default");
        let set = cookies.set(SSO, "value".to_owned(), None);
        let parts: Vec<&str> = set.split("; ").collect();
        assert_eq!(parts[0], "__Host-lk_sso_default=value");
        for needed in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
            assert!(parts.contains(&needed), "{set}");
        }
        // A domain would let sub-domains read and replace it; an age would outlive the browser.
        assert!(!set.contains("Domain") && !set.contains("Max-Age"), "{set}");
    }

    #[test]
    fn cookie_that_a_sibling_domain_could_set_is_not_read() {
        let cookies = Cookies::new("https://id.example", "default");
        let mut headers = HeaderMap::new();
        let tossed = "lk_sso_default=theirs; __Secure-lk_sso_default=theirs; __host-lk_sso_default=theirs";
        headers.insert(header::COOKIE, HeaderValue::from_static(tossed));
        assert_eq!(cookies.get(&headers, SSO), None);
    }

    #[test]
    fn tenants_on_one_host_have_cookies_of_their_own() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("__Host-lk_sso_one=1; __Host-lk_sso_two=2"));
        let value = |tenant| Cookies::new("https://id.example", tenant).get(&headers, SSO);
        assert_eq!((value("one").as_deref(), value("two").as_deref(), value("three")), (Some("1"), Some("2"), None));
    }
}
