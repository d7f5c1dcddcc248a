//! `oidcc-config-certification-test-plan`, and how the documents are served.

use serde_json::Value;

use super::support::{OTHER, Provider, WEB};

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
        let has = |name: &str, value: &str| found[name].as_array().unwrap().iter().any(|known| known == value);
        assert!(has("scopes_supported", "openid") && has("id_token_signing_alg_values_supported", "RS256"));
        assert!(has("response_modes_supported", "form_post") && has("code_challenge_methods_supported", "S256"));
        assert!(!has("code_challenge_methods_supported", "plain") && !has("response_types_supported", "token"));
        assert_eq!(
            (&found["request_parameter_supported"], &found["request_uri_parameter_supported"]),
            (&false.into(), &false.into())
        );
        assert_eq!(found["authorization_response_iss_parameter_supported"], true);
    }
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
