//! `oidcc-config-certification-test-plan`, and how the documents are served.

use serde_json::Value;

use super::support::{Browser, OTHER, Provider, WEB};

const ALGORITHMS: &[&str] = &["RS256", "ES256", "EdDSA"];
const FOREIGN_ALGORITHMS: &[&str] = &["ES256", "EdDSA", "PS256", "RS256"];
/// Clients that have something to authenticate themselves with, and all clients.
const WITH_SECRET: &[&str] = &["client_secret_basic", "client_secret_post", "private_key_jwt"];
const ALL: &[&str] = &["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];

/// Every address, below the issuer.
const ENDPOINTS: [(&str, &str); 10] = [
    ("authorization_endpoint", "authorize"),
    ("token_endpoint", "token"),
    ("userinfo_endpoint", "userinfo"),
    ("jwks_uri", "jwks"),
    ("end_session_endpoint", "logout"),
    ("revocation_endpoint", "revoke"),
    ("introspection_endpoint", "introspect"),
    ("pushed_authorization_request_endpoint", "par"),
    ("device_authorization_endpoint", "device_authorization"),
    // Only where applications register themselves, as here.
    ("registration_endpoint", "register"),
];

/// Every list but that of the claims.
const LISTS: [(&str, &[&str]); 16] = [
    ("scopes_supported", &["openid", "profile", "email", "offline_access"]),
    ("response_types_supported", &["code"]),
    ("response_modes_supported", &["query", "form_post"]),
    (
        "grant_types_supported",
        &["authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code"],
    ),
    ("subject_types_supported", &["public"]),
    ("id_token_signing_alg_values_supported", ALGORITHMS),
    ("userinfo_signing_alg_values_supported", ALGORITHMS),
    ("introspection_signing_alg_values_supported", ALGORITHMS),
    ("token_endpoint_auth_methods_supported", ALL),
    ("token_endpoint_auth_signing_alg_values_supported", FOREIGN_ALGORITHMS),
    ("revocation_endpoint_auth_methods_supported", ALL),
    ("revocation_endpoint_auth_signing_alg_values_supported", FOREIGN_ALGORITHMS),
    // Whoever may ask about tokens must be known (RFC 7662 §2.1).
    ("introspection_endpoint_auth_methods_supported", WITH_SECRET),
    ("introspection_endpoint_auth_signing_alg_values_supported", FOREIGN_ALGORITHMS),
    ("code_challenge_methods_supported", &["S256"]),
    ("dpop_signing_alg_values_supported", FOREIGN_ALGORITHMS),
];

/// Everything that is so, or is not.
const FLAGS: [(&str, bool); 9] = [
    ("authorization_response_iss_parameter_supported", true),
    ("claims_parameter_supported", true),
    ("frontchannel_logout_supported", true),
    ("frontchannel_logout_session_supported", true),
    ("backchannel_logout_supported", true),
    ("backchannel_logout_session_supported", true),
    ("require_pushed_authorization_requests", false),
    ("request_parameter_supported", false),
    // Left out, it would mean true.
    ("request_uri_parameter_supported", false),
];

/// Claims of an ID token, of the scopes `profile` and `email`.
const CLAIMS: [&str; 26] = [
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "amr",
    "sid",
    "at_hash",
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "updated_at",
    "email",
    "email_verified",
];

fn texts<'d>(document: &'d Value, name: &str) -> Vec<&'d str> {
    document[name].as_array().unwrap_or_else(|| panic!("no {name}")).iter().map(|text| text.as_str().unwrap()).collect()
}

async fn document(provider: &Provider, address: &str) -> Value {
    let response = provider.http.get(address).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(response.headers()["cache-control"], "public, max-age=300");
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn oidcc_discovery_endpoint_verification() {
    let provider = Provider::start().await;
    let base = &provider.issuer;
    for (client, inserted) in [(WEB, String::new()), (OTHER, "/t/other".to_owned())] {
        let issuer = provider.issuer_of(&client);
        let found = document(&provider, &format!("{issuer}/.well-known/openid-configuration")).await;
        let of_rfc_8414 = format!("{base}/.well-known/oauth-authorization-server{inserted}");
        assert_eq!(found, document(&provider, &of_rfc_8414).await);
        assert_eq!(found["issuer"], issuer);
        for (name, value) in found.as_object().unwrap() {
            assert!(value.as_array().is_none_or(|values| !values.is_empty()), "{name} is empty");
            if name.ends_with("_endpoint") || name == "jwks_uri" {
                assert!(value.as_str().unwrap().starts_with(&format!("{issuer}/")), "{name}: {value}");
            }
        }
        for (name, path) in ENDPOINTS {
            assert_eq!(found[name], format!("{issuer}/{path}"), "{name}");
        }
        for (name, values) in LISTS {
            assert_eq!(texts(&found, name), values, "{name}");
        }
        for (name, value) in FLAGS {
            assert_eq!(found[name], value, "{name}");
        }
        // What is not listed here, the suite would warn of.
        let known = ENDPOINTS.map(|(name, _)| name).into_iter().chain(LISTS.map(|(name, _)| name));
        let known: Vec<&str> = known.chain(FLAGS.map(|(name, _)| name)).chain(["issuer", "claims_supported"]).collect();
        let other: Vec<&String> =
            found.as_object().unwrap().keys().filter(|name| !known.contains(&name.as_str())).collect();
        assert!(other.is_empty(), "{other:?}");
    }
}

#[tokio::test]
async fn claims_that_are_announced_are_those_that_tokens_and_userinfo_have() {
    let provider = Provider::start().await;
    let found = document(&provider, &format!("{}/.well-known/openid-configuration", provider.issuer)).await;
    let announced = texts(&found, "claims_supported");
    for claim in CLAIMS {
        assert!(announced.contains(&claim), "{claim}");
    }
    let tokens = WEB.sign_in(&provider, &Browser::new(), &[("scope", "openid profile email")]).await;
    let (told, user) = (tokens.claims(), provider.userinfo(&tokens.access).await.1);
    let given = [told, user];
    for claim in given.iter().flat_map(|claims| claims.as_object().unwrap().keys()) {
        assert!(announced.contains(&claim.as_str()), "{claim} is given");
    }
    for claim in ["name", "email", "email_verified", "sid", "at_hash", "nonce"] {
        assert!(given.iter().any(|claims| claims.get(claim).is_some()), "{claim} is not given");
    }
    assert_eq!(announced.len(), announced.iter().collect::<std::collections::BTreeSet<_>>().len(), "none comes twice");
}

#[tokio::test]
async fn keys_are_public_named_and_strong() {
    let provider = Provider::start().await;
    let keys = document(&provider, &format!("{}/jwks", provider.issuer)).await;
    let keys = keys["keys"].as_array().unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        assert!(key["kid"].is_string() && key["alg"].is_string() && key["use"] == "sig", "{key}");
        assert!(["d", "p", "q", "dp", "dq", "qi", "k"].iter().all(|secret| key.get(secret).is_none()), "{key}");
        // 2048 bits are 256 bytes, 342 characters of base64url.
        assert!(key["kty"] != "RSA" || key["n"].as_str().unwrap().len() >= 342, "{key}");
    }
}

#[tokio::test]
async fn a_document_is_sent_once_and_answers_head() {
    let provider = Provider::start().await;
    for path in [".well-known/openid-configuration", "jwks"] {
        let address = format!("{}/{path}", provider.issuer);
        let tag = provider.http.head(&address).send().await.unwrap().headers()["etag"].clone();
        let again = provider.http.get(&address).header("if-none-match", &tag).send().await.unwrap();
        assert_eq!((again.status().as_u16(), again.text().await.unwrap()), (304, String::new()));
        let changed = provider.http.get(&address).header("if-none-match", "\"x\"").send().await.unwrap();
        assert_eq!(changed.status(), 200);
    }
}

#[tokio::test]
async fn nothing_is_built_from_what_a_request_says_of_the_host() {
    let provider = Provider::start().await;
    for path in
        [".well-known/openid-configuration", "authorize?client_id=demo-web", "t/other/.well-known/openid-configuration"]
    {
        let request = provider.http.get(format!("{}/{path}", provider.issuer));
        let request = request.header("host", "evil.example").header("x-forwarded-host", "evil.example");
        let request = request.header("forwarded", "host=evil.example").header("x-forwarded-proto", "gopher");
        let response = request.send().await.unwrap();
        let headers = format!("{:?}", response.headers());
        let text = response.text().await.unwrap();
        assert!(!text.contains("evil") && !text.contains("gopher") && !headers.contains("evil"), "{path}: {text}");
    }
}
