//! `oidcc-basic-certification-test-plan` and its twin with `response_mode=form_post`, in our own words.

use super::support::{Browser, Client, Page, Provider, SECOND, Tokens, WEB, claims};

const MODES: [&str; 2] = ["query", "form_post"];

async fn signed_in() -> (Provider, Browser, Tokens) {
    let (provider, browser) = (Provider::start().await, Browser::new());
    let tokens = WEB.sign_in(&provider, &browser, &[]).await;
    (provider, browser, tokens)
}

/// Checks that a request with `changes` leads a signed-in user straight back with a code.
async fn goes_through(changes: &[(&str, &str)]) {
    let (provider, browser, first) = signed_in().await;
    let page = WEB.authorize(&provider, &browser, changes).await;
    let tokens = Tokens::of(WEB.exchange(&provider, &page.answer("code")).await);
    assert_eq!(tokens.claims()["sub"], first.claims()["sub"]);
}

#[tokio::test]
async fn oidcc_server() {
    let provider = Provider::start().await;
    for mode in MODES {
        let browser = Browser::new();
        let page = WEB.authorize(&provider, &browser, &[("response_mode", mode)]).await;
        let page = browser.sign_in(&page).await;
        assert_eq!((page.answer("state"), page.answer("iss")), ("some state".into(), provider.issuer.clone()));
        if mode == "form_post" {
            assert_eq!((page.status, page.action()), (200, WEB.redirect_uri.to_owned()));
            let csp = page.headers["content-security-policy"].to_str().unwrap();
            assert!(csp.contains("frame-ancestors 'none'") && !csp.contains("form-action"), "{csp}");
            assert_eq!(page.headers["cache-control"], "no-store");
        } else {
            assert!(page.location().starts_with(&format!("{}?code=", WEB.redirect_uri)));
        }
        let tokens = Tokens::of(WEB.exchange(&provider, &page.answer("code")).await);
        assert_eq!((&tokens.answer["token_type"], &tokens.answer["expires_in"]), (&"Bearer".into(), &300.into()));
        let found = tokens.claims();
        assert_eq!((&found["iss"], &found["aud"]), (&provider.issuer.clone().into(), &WEB.id.into()));
        assert_eq!((&found["nonce"], &found["iat"]), (&"some nonce".into(), &provider.now().into()));
        assert!(
            found["exp"].as_i64().unwrap() > provider.now()
                && found["auth_time"].is_i64()
                && found["at_hash"].is_string()
        );
        let sub = found["sub"].as_str().unwrap();
        assert!(sub.len() <= 255 && sub.is_ascii());
        assert_eq!(provider.userinfo(&tokens.access).await.1["sub"], sub);
    }
}

#[tokio::test]
async fn oidcc_response_type_missing() {
    let provider = Provider::start().await;
    for mode in MODES {
        let page = WEB.authorize(&provider, &Browser::new(), &[("response_type", ""), ("response_mode", mode)]).await;
        assert_eq!((page.answer("error"), page.answer("state")), ("invalid_request".into(), "some state".into()));
        assert_eq!((page.answer("iss"), page.find("code")), (provider.issuer.clone(), None));
    }
}

#[tokio::test]
async fn oidcc_idtoken_signature() {
    let (provider, _, tokens) = signed_in().await;
    let header = super::support::header(&tokens.id);
    assert_eq!((&header["alg"], &header["typ"]), (&"RS256".into(), &"JWT".into()));
    let keys: serde_json::Value =
        provider.http.get(format!("{}/jwks", provider.issuer)).send().await.unwrap().json().await.unwrap();
    assert!(keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == header["kid"]));
}

#[tokio::test]
async fn oidcc_userinfo_get() {
    let (provider, _, tokens) = signed_in().await;
    assert_eq!(provider.userinfo(&tokens.access).await.1["sub"], tokens.claims()["sub"]);
}

#[tokio::test]
async fn oidcc_userinfo_post_header() {
    let (provider, _, tokens) = signed_in().await;
    let request = provider.http.post(format!("{}/userinfo", provider.issuer)).bearer_auth(&tokens.access);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn oidcc_userinfo_post_body() {
    let (provider, _, tokens) = signed_in().await;
    let request =
        || provider.http.post(format!("{}/userinfo", provider.issuer)).form(&[("access_token", &tokens.access)]);
    assert_eq!(request().send().await.unwrap().status(), 200);
    assert_eq!(request().bearer_auth(&tokens.access).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow() {
    let provider = Provider::start().await;
    let tokens = WEB.sign_in(&provider, &Browser::new(), &[("nonce", "")]).await;
    assert!(tokens.claims().get("nonce").is_none());
}

async fn scope(scope: &str) -> (serde_json::Value, serde_json::Value) {
    let provider = Provider::start().await;
    let tokens = WEB.sign_in(&provider, &Browser::new(), &[("scope", scope)]).await;
    (provider.userinfo(&tokens.access).await.1, tokens.claims())
}

#[tokio::test]
async fn oidcc_scope_profile() {
    let (found, id) = scope("openid profile").await;
    assert_eq!((&found["name"], id.get("name"), found.get("email")), (&"Ada Lovelace".into(), None, None));
}

#[tokio::test]
async fn oidcc_scope_email() {
    let (found, id) = scope("openid email").await;
    assert_eq!((&found["email"], id.get("email"), found.get("name")), (&"ada@example.com".into(), None, None));
    assert!(found["email_verified"].is_boolean());
}

/// Scopes that are not offered are ignored: nothing is told, and nothing is granted.
async fn nothing_more_is_told_with(scope: &str) {
    let provider = Provider::start().await;
    let tokens = WEB.sign_in(&provider, &Browser::new(), &[("scope", scope)]).await;
    assert_eq!(tokens.answer["scope"], "openid");
    assert_eq!(provider.userinfo(&tokens.access).await.1.as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn oidcc_scope_address() {
    nothing_more_is_told_with("openid address").await;
}

#[tokio::test]
async fn oidcc_scope_phone() {
    nothing_more_is_told_with("openid phone").await;
}

#[tokio::test]
async fn oidcc_scope_all() {
    let (found, id) = scope("openid profile email address phone").await;
    assert_eq!((&found["name"], &found["email"]), (&"Ada Lovelace".into(), &"ada@example.com".into()));
    assert_eq!((id.get("name"), id.get("email"), found.get("address")), (None, None, None));
}

#[tokio::test]
async fn oidcc_alternate_happy_flow() {
    // Scopes and parameters in another order.
    let (found, _) = scope("email unknown profile openid").await;
    assert_eq!((&found["name"], &found["email"]), (&"Ada Lovelace".into(), &"ada@example.com".into()));
}

#[tokio::test]
async fn oidcc_display_page() {
    goes_through(&[("display", "page")]).await;
}

#[tokio::test]
async fn oidcc_display_popup() {
    goes_through(&[("display", "popup")]).await;
}

#[tokio::test]
async fn oidcc_prompt_login() {
    let (provider, browser, first) = signed_in().await;
    provider.advance(5);
    let page = WEB.authorize(&provider, &browser, &[("prompt", "login")]).await;
    assert!(page.is_sign_in());
    let page = browser.sign_in(&page).await;
    let again = Tokens::of(WEB.exchange(&provider, &page.answer("code")).await).claims();
    assert_eq!(again["auth_time"].as_i64(), first.claims()["auth_time"].as_i64().map(|then| then + 5));
}

#[tokio::test]
async fn oidcc_prompt_none_not_logged_in() {
    let provider = Provider::start().await;
    for mode in MODES {
        let page = WEB.authorize(&provider, &Browser::new(), &[("prompt", "none"), ("response_mode", mode)]).await;
        assert_eq!((page.answer("error"), page.is_sign_in()), ("login_required".into(), false));
    }
}

#[tokio::test]
async fn oidcc_prompt_none_logged_in() {
    let (provider, browser, first) = signed_in().await;
    provider.advance(5);
    let page = WEB.authorize(&provider, &browser, &[("prompt", "none")]).await;
    let again = Tokens::of(WEB.exchange(&provider, &page.answer("code")).await).claims();
    let first = first.claims();
    assert_eq!((&again["sub"], &again["auth_time"]), (&first["sub"], &first["auth_time"]));
}

#[tokio::test]
async fn oidcc_max_age_1() {
    let (provider, browser, first) = signed_in().await;
    provider.advance(2);
    let page = WEB.authorize(&provider, &browser, &[("max_age", "1")]).await;
    assert!(page.is_sign_in());
    let page = browser.sign_in(&page).await;
    let again = Tokens::of(WEB.exchange(&provider, &page.answer("code")).await).claims();
    assert_eq!(again["auth_time"].as_i64(), first.claims()["auth_time"].as_i64().map(|then| then + 2));
    provider.advance(1);
    assert!(WEB.authorize(&provider, &browser, &[("max_age", "1")]).await.find("code").is_some());
    assert!(WEB.authorize(&provider, &browser, &[("max_age", "0")]).await.is_sign_in());
}

#[tokio::test]
async fn oidcc_max_age_10000() {
    goes_through(&[("max_age", "10000")]).await;
}

#[tokio::test]
async fn oidcc_ensure_request_with_unknown_parameter_succeeds() {
    goes_through(&[("extra", "foobar")]).await;
}

#[tokio::test]
async fn oidcc_id_token_hint() {
    let (provider, browser, first) = signed_in().await;
    let silent = [("prompt", "none"), ("id_token_hint", first.id.as_str())];
    assert!(WEB.authorize(&provider, &browser, &silent).await.find("code").is_some());
    // An ended hint is as good; somebody else's is not.
    provider.advance(3600);
    assert!(WEB.authorize(&provider, &browser, &silent).await.find("code").is_some());
    let other = Browser::new();
    let page = WEB.authorize(&provider, &other, &[]).await;
    other.sign_in_as(&page, "grace@example.com", "nanoseconds matter too").await.answer("code");
    assert_eq!(WEB.authorize(&provider, &other, &silent).await.answer("error"), "login_required");
    // Who signs in as another than the one who was asked for gets no code.
    let page = WEB.authorize(&provider, &other, &[("id_token_hint", &first.id)]).await;
    let page = other.sign_in_as(&page, "grace@example.com", "nanoseconds matter too").await;
    assert_eq!((page.answer("error"), page.find("code")), ("login_required".into(), None));
}

#[tokio::test]
async fn oidcc_login_hint() {
    let provider = Provider::start().await;
    let page = WEB.authorize(&provider, &Browser::new(), &[("login_hint", "ada@example.com")]).await;
    assert!(page.is_sign_in() && page.html.contains("value=\"ada@example.com\""), "{}", page.html);
}

#[tokio::test]
async fn oidcc_ui_locales() {
    goes_through(&[("ui_locales", "se")]).await;
}

#[tokio::test]
async fn oidcc_claims_locales() {
    goes_through(&[("claims_locales", "se")]).await;
}

#[tokio::test]
async fn oidcc_ensure_request_with_acr_values_succeeds() {
    goes_through(&[("acr_values", "urn:mace:incommon:iap:silver")]).await;
}

async fn reuse_after(seconds: u64) {
    let (provider, browser, _) = signed_in().await;
    let code = WEB.authorize(&provider, &browser, &[]).await.answer("code");
    let tokens = Tokens::of(WEB.exchange(&provider, &code).await);
    assert_eq!(provider.introspect(&WEB, &tokens.access).await["active"], true);
    provider.advance(seconds);
    let (status, answer) = WEB.exchange(&provider, &code).await;
    assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()));
    assert_eq!(provider.introspect(&WEB, &tokens.access).await, serde_json::json!({ "active": false }));
    assert_eq!(provider.userinfo(&tokens.access).await.0, 401);
    assert_eq!(WEB.refresh(&provider, &tokens.refresh, &[]).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn oidcc_codereuse() {
    reuse_after(0).await;
}

#[tokio::test]
async fn oidcc_codereuse_30seconds() {
    reuse_after(30).await;
}

#[tokio::test]
async fn oidcc_ensure_registered_redirect_uri() {
    let (provider, browser, _) = signed_in().await;
    let page = WEB.authorize(&provider, &browser, &[("redirect_uri", "http://localhost:8080/cb/other")]).await;
    assert_eq!((page.status, page.headers.get("location")), (400, None));
}

#[tokio::test]
async fn oidcc_ensure_post_request_succeeds() {
    let (provider, browser, _) = signed_in().await;
    let endpoint = format!("{}/authorize", provider.issuer);
    // The cookie does not come with a form of another site, but with the redirect that answers it.
    let page = browser.post_from_elsewhere(&endpoint, &WEB.request(&[("prompt", "none")])).await;
    let next = page.location();
    assert!(next.starts_with(&format!("{endpoint}?")), "{next}");
    assert!(page.headers.get("set-cookie").is_none());
    assert!(browser.get(&next, &[]).await.find("code").is_some());
}

#[tokio::test]
async fn oidcc_server_client_secret_post() {
    let (provider, browser, _) = signed_in().await;
    let code = WEB.authorize(&provider, &browser, &[]).await.answer("code");
    let fields = [
        ("client_secret", WEB.secret),
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", WEB.redirect_uri),
    ];
    let by_form = Client { secret: "", ..WEB };
    assert_eq!(provider.post(&by_form, "token", &fields).await.0, 200);
}

#[tokio::test]
async fn oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported() {
    let provider = Provider::start().await;
    let page = WEB.authorize(&provider, &Browser::new(), &[("request_uri", "https://a.example/r")]).await;
    assert_eq!(page.answer("error"), "request_uri_not_supported");
}

#[tokio::test]
async fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported() {
    let provider = Provider::start().await;
    let page = WEB.authorize(&provider, &Browser::new(), &[("request", "eyJhbGciOiJub25lIn0.e30.")]).await;
    assert_eq!(page.answer("error"), "request_not_supported");
}

#[tokio::test]
async fn oidcc_refresh_token() {
    let (provider, browser, first) = signed_in().await;
    let (status, answer) = SECOND.refresh(&provider, &first.refresh, &[]).await;
    assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()));
    provider.advance(10);
    let again = Tokens::of(WEB.refresh(&provider, &first.refresh, &[]).await);
    assert_ne!(again.access, first.access);
    let (new, old) = (again.claims(), first.claims());
    for name in ["iss", "sub", "aud", "auth_time", "sid"] {
        assert_eq!(new[name], old[name], "{name}");
    }
    assert_eq!((new["iat"].as_i64(), new.get("nonce")), (old["iat"].as_i64().map(|then| then + 10), None));
    let is_plain = |text: &str| text.len() > 42 && text.bytes().all(|byte| byte.is_ascii_graphic());
    assert!(is_plain(&again.access) && is_plain(&again.refresh));
    let second = SECOND.sign_in(&provider, &browser, &[]).await;
    assert_ne!(claims(&second.access)["client_id"], claims(&first.access)["client_id"]);
}

#[tokio::test]
async fn oidcc_ensure_request_with_valid_pkce_succeeds() {
    use super::support::{CHALLENGE, VERIFIER};
    let (provider, browser, _) = signed_in().await;
    let changes = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    let page: Page = WEB.authorize(&provider, &browser, &changes).await;
    let code = page.answer("code");
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", WEB.redirect_uri),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(provider.post(&WEB, "token", &fields).await.0, 200);
}
