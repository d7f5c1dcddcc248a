//! The authorization endpoint: what is refused, how, and where to.

use super::support::{Browser, CHALLENGE, NATIVE, OTHER, Provider, SPA, WEB};

/// Addresses that look like the registered one to somebody who is careless.
const NEARLY: [&str; 24] = [
    "http://localhost:8080/cb/",
    "http://localhost:8080/cb?",
    "http://localhost:8080/cb?x=1",
    "http://localhost:8080/cb#",
    "http://localhost:8080/cb#x",
    "http://localhost:8080/CB",
    "http://LOCALHOST:8080/cb",
    "http://localhost:8080/./cb",
    "http://localhost:8080/x/../cb",
    "http://localhost:8080//cb",
    "http://localhost:8080/%63b",
    "http://localhost:8080/cb%00",
    "http://localhost:8080/cb%0d%0aLocation:%20x",
    "http://localhost:80800/cb",
    "http://localhost:8081/cb",
    "https://localhost:8080/cb",
    "http://localhost:8080@evil.example/cb",
    "http://evil.example\\@localhost:8080/cb",
    "http://localhost:8080\\.evil.example/cb",
    "http://localhost.:8080/cb",
    "http://\u{2113}ocalhost:8080/cb",
    "//localhost:8080/cb",
    "javascript:alert(1)//http://localhost:8080/cb",
    " http://localhost:8080/cb",
];

#[tokio::test]
async fn no_address_but_the_registered_one_is_ever_redirected_to() {
    let provider = Provider::start().await;
    let browser = Browser::new();
    WEB.sign_in(&provider, &browser, &[]).await;
    for uri in NEARLY {
        for more in [("prompt", "none"), ("response_type", "token"), ("response_mode", "form_post")] {
            let page = WEB.authorize(&provider, &browser, &[("redirect_uri", uri), more]).await;
            assert_eq!((page.status, page.headers.get("location")), (400, None), "{uri}");
            assert!(
                !page.html.contains("<form") && page.headers["content-type"] == "text/html; charset=utf-8",
                "{uri}"
            );
        }
    }
    for missing in ["redirect_uri", "client_id"] {
        let page = WEB.authorize(&provider, &browser, &[(missing, "")]).await;
        assert_eq!((page.status, page.headers.get("location")), (400, None), "{missing}");
    }
    let page =
        WEB.authorize(&provider, &browser, &[("client_id", OTHER.id), ("redirect_uri", OTHER.redirect_uri)]).await;
    assert_eq!((page.status, page.headers.get("location")), (400, None), "another tenant's");
}

#[tokio::test]
async fn an_installed_program_listens_on_any_port_of_its_machine() {
    let provider = Provider::start().await;
    let browser = Browser::new();
    let page = NATIVE.authorize(&provider, &browser, &[("redirect_uri", "http://127.0.0.1:50123/cb")]).await;
    let page = browser.sign_in(&page).await;
    assert!(page.location().starts_with("http://127.0.0.1:50123/cb?code="));
    // The exchange repeats the address with its port.
    let (status, answer) = NATIVE.exchange(&provider, &page.answer("code")).await;
    assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()));
    for uri in ["http://127.0.0.1:50123/cb/", "http://localhost:50123/cb", "http://127.0.0.1:1@evil.example/cb"] {
        assert_eq!(NATIVE.authorize(&provider, &browser, &[("redirect_uri", uri)]).await.status, 400, "{uri}");
    }
}

#[tokio::test]
async fn errors_carry_state_and_issuer_and_nothing_else() {
    let provider = Provider::start().await;
    let state = "\u{e9} +&=%\"<>'/".repeat(8);
    let long = "x".repeat(1025);
    let cases: [(&[(&str, &str)], &str); 12] = [
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("response_type", "code id_token")], "unsupported_response_type"),
        (&[("response_mode", "fragment")], "invalid_request"),
        (&[("response_mode", "jwt")], "invalid_request"),
        (&[("scope", "unknown")], "invalid_scope"),
        (&[("scope", &long)], "invalid_request"),
        (&[("nonce", &long)], "invalid_request"),
        (&[("login_hint", &long)], "invalid_request"),
        (&[("prompt", "none login")], "invalid_request"),
        (&[("max_age", "soon")], "invalid_request"),
        (&[("id_token_hint", "eyJhbGciOiJub25lIn0.e30.")], "invalid_request"),
        (&[("code_challenge", CHALLENGE), ("code_challenge_method", "plain")], "invalid_request"),
    ];
    for mode in ["query", "form_post"] {
        for (changes, expected) in cases {
            let mut changes = changes.to_vec();
            changes.push(("state", &state));
            if !changes.iter().any(|(name, _)| *name == "response_mode") {
                changes.push(("response_mode", mode));
            }
            let page = WEB.authorize(&provider, &Browser::new(), &changes).await;
            assert_eq!((page.answer("error").as_str(), page.answer("state")), (expected, state.clone()), "{changes:?}");
            assert_eq!(page.answer("iss"), provider.issuer);
            let description = page.answer("error_description");
            assert!(
                description.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)),
                "{description}"
            );
            let count = if page.status == 200 {
                page.hidden_fields().len()
            } else {
                url::Url::parse(&page.location()).unwrap().query_pairs().count()
            };
            assert_eq!(count, 4, "{changes:?}");
        }
    }
}

#[tokio::test]
async fn a_repeated_parameter_is_an_invalid_request() {
    let provider = Provider::start().await;
    let browser = Browser::new();
    let mut twice = WEB.request(&[]);
    twice.push(("state", "another"));
    let endpoint = format!("{}/authorize", provider.issuer);
    assert_eq!(browser.get(&endpoint, &twice).await.status, 400);
    assert_eq!(browser.post(&endpoint, &twice).await.status, 400);
}

#[tokio::test]
async fn a_public_client_needs_pkce() {
    let provider = Provider::start().await;
    let page =
        SPA.authorize(&provider, &Browser::new(), &[("code_challenge", ""), ("code_challenge_method", "")]).await;
    assert_eq!(page.answer("error"), "invalid_request");
}

#[tokio::test]
async fn state_and_nonce_return_unchanged_at_their_longest() {
    let provider = Provider::start().await;
    let (state, nonce) = ("s".repeat(1024), "n".repeat(1024));
    let browser = Browser::new();
    let page = WEB.authorize(&provider, &browser, &[("state", &state), ("nonce", &nonce)]).await;
    let page = browser.sign_in(&page).await;
    assert_eq!(page.answer("state"), state);
    let (_, answer) = WEB.exchange(&provider, &page.answer("code")).await;
    assert_eq!(super::support::claims(answer["id_token"].as_str().unwrap())["nonce"], nonce);
    let page = WEB.authorize(&provider, &browser, &[("state", &"s".repeat(1025))]).await;
    assert_eq!(page.status, 400);
}

#[tokio::test]
async fn pages_are_for_our_own_site_only() {
    let provider = Provider::start().await;
    let page = WEB.authorize(&provider, &Browser::new(), &[]).await;
    let header = |name: &str| page.headers[name].to_str().unwrap();
    assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!((header("cache-control"), header("referrer-policy")), ("no-store", "no-referrer"));
    assert_eq!((header("x-content-type-options"), header("cross-origin-opener-policy")), ("nosniff", "same-origin"));
    assert!(page.headers.get("access-control-allow-origin").is_none());
    let preflight = provider.http.request(reqwest::Method::OPTIONS, format!("{}/authorize", provider.issuer));
    assert_eq!(preflight.send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn who_is_to_choose_an_account_signs_in_although_somebody_has() {
    let provider = Provider::start().await;
    let browser = Browser::new();
    let ada = WEB.sign_in(&provider, &browser, &[]).await.claims()["sub"].clone();
    let page = WEB.authorize(&provider, &browser, &[("prompt", "select_account")]).await;
    assert!(page.is_sign_in());
    let page = browser.sign_in_as(&page, "grace@example.com", "nanoseconds matter too").await;
    let (_, answer) = WEB.exchange(&provider, &page.answer("code")).await;
    assert_ne!(super::support::claims(answer["id_token"].as_str().unwrap())["sub"], ada);
}

#[tokio::test]
async fn a_request_has_a_hundred_parameters_at_most() {
    let provider = Provider::start().await;
    let names: Vec<String> = (0..101).map(|number| format!("unknown{number}")).collect();
    let more = |count: usize| names.iter().take(count).map(|name| (name.as_str(), "x"));
    let usual = WEB.request(&[]);
    let endpoint = format!("{}/authorize", provider.issuer);
    for (count, is_answered) in [(100 - usual.len(), true), (101 - usual.len(), false)] {
        let all: Vec<(&str, &str)> = usual.iter().copied().chain(more(count)).collect();
        assert_eq!(Browser::new().get(&endpoint, &all).await.is_sign_in(), is_answered, "{count} more");
        let (status, answer) =
            provider.post_as_it_is("default", "token", &more(count + usual.len()).collect::<Vec<_>>()).await;
        let error = if is_answered { "invalid_client" } else { "invalid_request" };
        assert_eq!((status >= 400, &answer["error"]), (true, &error.into()), "{count} more");
    }
}
