//! What differs, on purpose, when the same user signs in at npm's `oidc-provider` and at ours.

/// Differences that are meant, of every fact at every place.
pub(super) struct Meant {
    places: Names,
    facts: Names,
    ours: &'static str,
    theirs: &'static str,
    why: &'static str,
}

impl Meant {
    /// The facts, each a row.
    pub(super) fn rows(&self) -> impl Iterator<Item = String> {
        let named = self.places.iter().flat_map(|place| self.facts.iter().map(move |fact| format!("{place}: {fact}")));
        named.map(|name| row(&name, self.ours, self.theirs))
    }

    /// The row of the document.
    fn documented(&self) -> String {
        let facts: Vec<String> = self.facts.iter().map(|fact| format!("`{fact}`")).collect();
        let what = format!("{}: {}", self.places.join(", "), facts.join(", "));
        format!("{} {} |", row(&what, self.ours, self.theirs), self.why)
    }
}

/// Names, as many as there are.
type Names = &'static [&'static str];

const fn meant(places: Names, facts: Names, ours: &'static str, theirs: &'static str, why: &'static str) -> Meant {
    Meant { places, facts, ours, theirs, why }
}

pub(super) const MEANT: &[Meant] = &[
    meant(&["ID token's header"], &["typ"], "text", "–", "optional, RFC 7519 §5.1"),
    meant(&["ID token", "refreshed ID token"], &["amr"], "a list", "–", "ours always says how the user signed in"),
    meant(
        &["ID token", "refreshed ID token"],
        &["auth_time"],
        "a number",
        "–",
        "ours always says when; theirs only if `max_age` asks",
    ),
    meant(
        &["ID token", "refreshed ID token"],
        &["at_hash"],
        "text",
        "–",
        "optional with a code, OpenID Connect Core 1.0 §3.1.3.6",
    ),
    meant(
        &["ID token", "refreshed ID token"],
        &["sid"],
        "text",
        "–",
        "logout names the session; theirs only tells who registered for it",
    ),
    meant(&["refreshed ID token"], &["nonce"], "–", "text", "it should have none, OpenID Connect Core 1.0 §12.2"),
    meant(
        &["introspection", "introspection of a refresh token"],
        &["aud", "sid", "tenant_id"],
        "text",
        "–",
        "tokens of ours belong to an audience, a session and a tenant",
    ),
    meant(
        &["introspection", "introspection of a refresh token"],
        &["auth_time", "nbf"],
        "a number",
        "–",
        "optional in RFC 7662 §2.2, RFC 9470 §6.2",
    ),
    meant(&["introspection"], &["jti"], "text", "–", "our access tokens are JWTs and have one; theirs are opaque here"),
    meant(
        &["introspection of a refresh token"],
        &["token_type"],
        "text",
        "–",
        "so that nobody takes it for an access token",
    ),
    meant(
        &["introspection by a page"],
        &["status"],
        "200",
        "400",
        "without CORS headers the browser keeps the answer from the page; theirs refuses an origin that is not the application's",
    ),
    meant(&["introspection by a page"], &["active"], "true or false", "–", "likewise"),
    meant(&["introspection by a page"], &["error", "error_description"], "–", "text", "likewise"),
    meant(
        &["discovery"],
        &["claim_types_supported"],
        "–",
        "a list",
        "`normal` goes without saying, OpenID Connect Discovery 1.0 §3",
    ),
    meant(
        &["discovery"],
        &["frontchannel_logout_supported", "frontchannel_logout_session_supported"],
        "true or false",
        "–",
        "theirs has no Front-Channel Logout",
    ),
    meant(
        &["discovery"],
        &["request_parameter_supported", "require_pushed_authorization_requests"],
        "true or false",
        "–",
        "we say `false`, which is what leaving it out means",
    ),
    meant(
        &["discovery"],
        &[
            "introspection_endpoint_auth_methods_supported",
            "introspection_endpoint_auth_signing_alg_values_supported",
            "revocation_endpoint_auth_methods_supported",
            "revocation_endpoint_auth_signing_alg_values_supported",
        ],
        "a list",
        "–",
        "RFC 8414 §2 has them",
    ),
    meant(
        &["discovery", "JWKS"],
        &["cache-control"],
        "public, max-age=300",
        "–",
        "caches may hold what all may read, and keys change",
    ),
    meant(
        &["JWKS"],
        &["content-type"],
        "application/json",
        "application/jwk-set+json",
        "prescribed nowhere; every reader takes JSON",
    ),
    meant(
        &["discovery for a page", "JWKS for a page", "UserInfo for a page", "wrong token at UserInfo for a page"],
        &["access-control-allow-origin"],
        "any",
        "the page's",
        "no cookie counts there, so every page may ask",
    ),
    meant(
        &[
            "token",
            "refresh",
            "used code",
            "wrong secret at token",
            "introspection",
            "introspection of a refresh token",
            "introspection of a revoked token",
            "wrong secret at introspection",
            "revocation",
        ],
        &["access-control-allow-origin"],
        "–",
        "any",
        "no page asks: the request has no `Origin`",
    ),
    meant(
        &["wrong secret at token for a page", "wrong secret at introspection for a page"],
        &["access-control-allow-origin"],
        "–",
        "the page's",
        "nobody is authenticated, so no origin is anybody's",
    ),
    meant(
        &["token", "refresh", "used code", "wrong secret at token", "wrong secret at introspection"],
        &["pragma"],
        "no-cache",
        "–",
        "RFC 6749 §5.1; OAuth 2.1 no longer asks for it",
    ),
    meant(&["revocation"], &["cache-control"], "no-store", "–", "nothing of these endpoints is kept"),
    meant(&["revocation"], &["content-type"], "–", "text/plain", "the body is empty, RFC 7009 §2.2"),
    meant(
        &["wrong secret at token", "wrong secret at introspection"],
        &["www-authenticate"],
        "Basic realm",
        "Basic error error_description realm",
        "RFC 7617 §2 has no `error`; the body says it",
    ),
    meant(
        &["wrong token at UserInfo"],
        &["www-authenticate"],
        "Bearer error",
        "Bearer error error_description realm",
        "the others are optional, RFC 6750 §3",
    ),
    meant(
        &["wrong token at UserInfo"],
        &["content-type"],
        "–",
        "application/json",
        "the challenge says it all, RFC 6750 §3",
    ),
    meant(&["wrong token at UserInfo"], &["error", "error_description"], "–", "text", "likewise"),
];

/// What there is at both providers.
pub(super) fn row(what: &str, ours: &str, theirs: &str) -> String {
    format!("| {what} | {ours} | {theirs} |")
}

#[test]
fn oracle_differences_are_documented_word_for_word() {
    let document = include_str!("../../../../docs/conformance.md");
    let table = document.lines().skip_while(|line| !line.starts_with("| where: what |")).skip(2);
    let documented: Vec<&str> = table.take_while(|line| line.starts_with('|')).collect();
    assert_eq!(documented, MEANT.iter().map(Meant::documented).collect::<Vec<_>>());
}
