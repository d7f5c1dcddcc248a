//! Devices without a browser (RFC 8628).

use proto::auth::v1::{CreateRegistrationRequest, registration_service_client::RegistrationServiceClient};
use serde_json::{Value, json};

use super::support::{Browser, Client, KEYED, MANAGED, Page, Provider, Tokens, WEB, claims, operator};

const TV: Client = Client { id: "tv", secret: "", redirect_uri: "", ..WEB };
/// It lets in registered users only.
const MEMBERS_TV: Client = Client { id: "members-tv", ..TV };
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn begin(provider: &Provider, client: &Client, scope: &str) -> (u16, Value) {
    provider.post(client, "device_authorization", &[("scope", scope)]).await
}

/// A device that has begun: what it was told.
async fn begun(provider: &Provider) -> Value {
    let (status, answer) = begin(provider, &TV, "openid email").await;
    assert_eq!((status, &answer["interval"], &answer["expires_in"]), (200, &5.into(), &600.into()), "{answer}");
    answer
}

async fn poll(provider: &Provider, device: &Value) -> (u16, Value) {
    let code = device["device_code"].as_str().unwrap();
    provider.post(&TV, "token", &[("grant_type", GRANT), ("device_code", code)]).await
}

/// Waits as long as it must, and asks what became of it.
async fn outcome(provider: &Provider, device: &Value) -> (u16, String) {
    provider.advance(5);
    let (status, answer) = poll(provider, device).await;
    (status, answer["error"].as_str().unwrap_or_default().to_owned())
}

/// Types the code that a device shows.
async fn typed(provider: &Provider, browser: &Browser, code: &str) -> Page {
    let page = browser.get(&format!("{}/device", provider.issuer), &[]).await;
    assert!(page.html.contains("id=\"user-code\"") && page.html.contains("id=\"submit\""), "{}", page.html);
    browser.submit(&page, &[("user_code", code)]).await
}

fn is_question(page: &Page) -> bool {
    page.status == 200 && page.html.contains("id=\"consent-allow\"") && page.html.contains("id=\"warning\"")
}

#[tokio::test]
async fn device_gets_tokens_once_when_its_user_says_yes() {
    let provider = Provider::start().await;
    let (browser, device) = (Browser::new(), begun(&provider).await);
    assert_eq!(outcome(&provider, &device).await, (400, "authorization_pending".into()));
    let page = browser.get(device["verification_uri_complete"].as_str().unwrap(), &[]).await;
    let shown = device["user_code"].as_str().unwrap();
    assert!(page.html.contains(&format!("value=\"{shown}\"")), "{}", page.html);
    let page = browser.submit(&page, &[("user_code", shown)]).await;
    assert!(page.is_sign_in() && page.html.contains("Television"), "{}", page.html);
    let wrong = browser.sign_in_as(&page, "ada@example.com", "wrong").await;
    assert_eq!((wrong.status, wrong.is_sign_in()), (401, true));
    let page = browser.sign_in(&wrong).await;
    assert!(is_question(&page) && page.html.contains("ada@example.com") && page.html.contains(shown), "{}", page.html);
    assert!(page.html.contains("See your e-mail address") && !page.html.contains("See your name"), "{}", page.html);
    assert_eq!(outcome(&provider, &device).await, (400, "authorization_pending".into()));
    let done = browser.submit(&page, &[("decision", "allow")]).await;
    assert_eq!((done.status, done.html.contains("Your device is connected")), (200, true));
    provider.advance(5);
    let tokens = Tokens::of(poll(&provider, &device).await);
    assert_eq!((&tokens.answer["scope"], tokens.claims().get("nonce")), (&"openid email".into(), None));
    assert_eq!(provider.userinfo(&tokens.access).await.1["email"], "ada@example.com");
    assert_eq!(outcome(&provider, &device).await, (400, "expired_token".into()), "once only");
    let again = browser.submit(&page, &[("decision", "deny")]).await;
    assert_eq!(again.status, 403, "what is decided is decided");
    // Its session is its own, and refreshes.
    let page = browser.get(&format!("{}/logout", provider.issuer), &[]).await;
    browser.submit(&page, &[]).await;
    let again = Tokens::of(TV.refresh(&provider, &tokens.refresh, &[]).await);
    assert_eq!(provider.userinfo(&again.access).await.0, 200);
}

#[tokio::test]
async fn who_is_signed_in_is_only_asked() {
    let provider = Provider::start().await;
    let browser = Browser::new();
    WEB.sign_in(&provider, &browser, &[]).await;
    let device = begun(&provider).await;
    // However it is typed.
    let code = format!(" {} ", device["user_code"].as_str().unwrap().to_lowercase().replace('-', " "));
    let page = typed(&provider, &browser, &code).await;
    assert!(is_question(&page), "{}", page.html);
    for decision in ["", "ALLOW"] {
        let device = begun(&provider).await;
        let page = typed(&provider, &browser, device["user_code"].as_str().unwrap()).await;
        let said = browser.submit(&page, &[("decision", decision)]).await;
        assert!(said.html.contains("Your device is not connected"), "{}", said.html);
        assert_eq!(outcome(&provider, &device).await, (400, "access_denied".into()));
    }
    assert_eq!(outcome(&provider, &device).await, (400, "authorization_pending".into()), "the first one waits still");
}

#[tokio::test]
async fn device_that_asks_too_often_must_slow_down() {
    let provider = Provider::start().await;
    let device = begun(&provider).await;
    let error = |answer: (u16, Value)| answer.1["error"].as_str().unwrap().to_owned();
    assert_eq!(error(poll(&provider, &device).await), "authorization_pending");
    assert_eq!(error(poll(&provider, &device).await), "slow_down");
    provider.advance(9);
    assert_eq!(error(poll(&provider, &device).await), "slow_down", "ten seconds from now on, then fifteen");
    provider.advance(15);
    assert_eq!(error(poll(&provider, &device).await), "authorization_pending");
}

#[tokio::test]
async fn codes_end_after_ten_minutes() {
    let provider = Provider::start().await;
    let (browser, device) = (Browser::new(), begun(&provider).await);
    WEB.sign_in(&provider, &browser, &[]).await;
    let code = device["user_code"].as_str().unwrap();
    let page = typed(&provider, &browser, code).await;
    provider.advance(600);
    assert_eq!(outcome(&provider, &device).await, (400, "expired_token".into()));
    let late = browser.submit(&page, &[("decision", "allow")]).await;
    assert_eq!(late.status, 403);
    assert_eq!(typed(&provider, &browser, code).await.status, 400);
}

#[tokio::test]
async fn who_guesses_codes_must_wait() {
    let provider = Provider::start().await;
    let (browser, device) = (Browser::new(), begun(&provider).await);
    for guess in ["BCDF-GHJK", "BCDF-GHJL", "", "ADA", "<script>"] {
        let page = typed(&provider, &browser, guess).await;
        assert_eq!((page.status, page.html.contains("<script>")), (400, false), "{guess}");
        assert!(page.html.contains("role=\"alert\"") && page.html.contains("aria-invalid"), "{}", page.html);
    }
    let code = device["user_code"].as_str().unwrap();
    let page = typed(&provider, &browser, code).await;
    assert_eq!((page.status, page.headers.contains_key("retry-after")), (429, true));
    provider.advance(2);
    assert!(typed(&provider, &browser, code).await.is_sign_in());
}

#[tokio::test]
async fn forms_count_only_from_the_browser_that_was_asked() {
    let provider = Provider::start().await;
    let (browser, device) = (Browser::new(), begun(&provider).await);
    WEB.sign_in(&provider, &browser, &[]).await;
    let code = device["user_code"].as_str().unwrap();
    let at = |path: &str| format!("{}/device/{path}", provider.issuer);
    for (path, field) in [("code", ("user_code", code)), ("decide", ("decision", "allow")), ("login", ("login", "x"))] {
        assert_eq!(browser.post(&at(path), &[field]).await.status, 403, "{path}");
        assert_eq!(browser.get(&at(path), &[]).await.status, 405, "{path}");
    }
    let page = typed(&provider, &browser, code).await;
    let fields = page.hidden_fields();
    let mut fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    fields.push(("decision", "allow"));
    assert_eq!(browser.post_from_elsewhere(&at("decide"), &fields).await.status, 403);
    let other = Browser::new();
    WEB.sign_in(&provider, &other, &[]).await;
    assert_eq!(other.post(&at("decide"), &fields).await.status, 403);
    // Nor from somebody else who signed in in the meantime.
    let again = WEB.authorize(&provider, &browser, &[("prompt", "login")]).await;
    browser.sign_in_as(&again, "grace@example.com", "nanoseconds matter too").await.answer("code");
    assert_eq!(browser.post(&at("decide"), &fields).await.status, 403);
    assert_eq!(outcome(&provider, &device).await, (400, "authorization_pending".into()));
}

#[tokio::test]
async fn device_grant_is_for_who_may_use_it() {
    let provider = Provider::start().await;
    for client in [WEB, MANAGED] {
        let (status, answer) = begin(&provider, &client, "openid").await;
        assert_eq!((status, &answer["error"]), (400, &"unauthorized_client".into()), "{}", client.id);
    }
    assert_eq!(begin(&provider, &TV, "unknown").await.1["error"], "invalid_scope");
    let device = begun(&provider).await;
    let code = device["device_code"].as_str().unwrap();
    let foreign = provider.post(&WEB, "token", &[("grant_type", GRANT), ("device_code", code)]).await;
    assert_eq!((foreign.0, &foreign.1["error"]), (400, &"invalid_grant".into()));
    assert_eq!(poll(&provider, &json!({ "device_code": "x" })).await.1["error"], "invalid_grant");
    let other = format!("{}/t/other/device", provider.issuer);
    let browser = Browser::new();
    let page = browser.get(&other, &[]).await;
    let page = browser.submit(&page, &[("user_code", device["user_code"].as_str().unwrap())]).await;
    assert_eq!(page.status, 400, "another tenant knows nothing of it");
}

#[tokio::test]
async fn who_is_not_registered_is_told_so_before_they_are_asked() {
    let provider = Provider::start().await;
    let device = provider.post(&MEMBERS_TV, "device_authorization", &[("scope", "openid")]).await.1;
    let code = device["user_code"].as_str().unwrap();
    let signed_in = Browser::new();
    WEB.sign_in(&provider, &signed_in, &[]).await;
    let page = typed(&provider, &signed_in, code).await;
    assert_eq!((page.status, page.html.contains("not registered for the application")), (403, true), "{}", page.html);
    // Nor after signing in on the way.
    let other = Browser::new();
    let page = typed(&provider, &other, code).await;
    let page = other.sign_in(&page).await;
    assert_eq!((page.status, page.html.contains("consent-allow")), (403, false), "{}", page.html);
    // The device waits on, and comes in when they are registered.
    let fields = [("grant_type", GRANT), ("device_code", device["device_code"].as_str().unwrap())];
    assert_eq!(provider.post(&MEMBERS_TV, "token", &fields).await.1["error"], "authorization_pending");
    let user_id = WEB.sign_in(&provider, &signed_in, &[]).await.claims()["sub"].as_str().unwrap().to_owned();
    let request = CreateRegistrationRequest { user_id, application_id: MEMBERS_TV.id.to_owned() };
    let mut registrations = RegistrationServiceClient::new(operator(&provider.auth_grpc()));
    registrations.create_registration(request).await.unwrap();
    let page = typed(&provider, &signed_in, code).await;
    assert!(is_question(&page), "{}", page.html);
    signed_in.submit(&page, &[("decision", "allow")]).await;
    provider.advance(5);
    Tokens::of(provider.post(&MEMBERS_TV, "token", &fields).await);
}

#[tokio::test]
async fn tokens_of_a_device_can_be_bound_to_its_key() {
    let provider = Provider::start().await;
    let (browser, device) = (Browser::new(), begun(&provider).await);
    WEB.sign_in(&provider, &browser, &[]).await;
    let page = typed(&provider, &browser, device["user_code"].as_str().unwrap()).await;
    browser.submit(&page, &[("decision", "allow")]).await;
    let htu = format!("{}/token", provider.issuer);
    let proof = KEYED.prove(&json!({ "htm": "POST", "htu": htu, "iat": provider.now(), "jti": "1" }));
    let fields = [("grant_type", GRANT), ("device_code", device["device_code"].as_str().unwrap())];
    let tokens = Tokens::of(provider.post_proven(&TV, "token", &proof, &fields).await);
    assert_eq!(claims(&tokens.access)["cnf"]["jkt"], KEYED.thumbprint());
    assert_eq!(TV.refresh(&provider, &tokens.refresh, &[]).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn device_asks_for_resources_and_gets_tokens_for_those_that_it_wants() {
    let provider = Provider::start().await;
    let browser = Browser::new();
    WEB.sign_in(&provider, &browser, &[]).await;
    let (api, mail) = (("resource", "https://api.example/v1"), ("resource", "urn:example:mail"));
    for (wanted, audience) in [(vec![], json!([api.1, mail.1])), (vec![mail], json!(mail.1))] {
        let asked = [("scope", "openid"), api, mail];
        let device = provider.post(&TV, "device_authorization", &asked).await.1;
        let page = typed(&provider, &browser, device["user_code"].as_str().unwrap()).await;
        browser.submit(&page, &[("decision", "allow")]).await;
        let fields = [("grant_type", GRANT), ("device_code", device["device_code"].as_str().unwrap())];
        let tokens = Tokens::of(provider.post(&TV, "token", &[&fields[..], &wanted].concat()).await);
        assert_eq!(claims(&tokens.access)["aud"], audience);
    }
    // However often it is said, it is too long.
    let mut flood = vec![("scope", "openid")];
    flood.extend([api; 95]);
    assert_eq!(provider.post(&TV, "device_authorization", &flood).await.1["error"], "invalid_target");
}
