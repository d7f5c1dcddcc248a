//! Pushed authorization requests (RFC 9126).

use serde_json::Value;

use super::support::{Browser, Client, OTHER, Page, Provider, SECOND, SPA, Tokens, WEB};

const CAREFUL: Client =
    Client { id: "careful", secret: "careful-secret", redirect_uri: "https://careful.example/cb", ..WEB };

async fn push(provider: &Provider, client: &Client, changes: &[(&str, &str)]) -> (u16, Value) {
    // Who authenticates by the header names itself in the form too.
    let fields = client.request(changes);
    let fields = match client.secret {
        "" => fields.into_iter().filter(|(name, _)| *name != "client_id").collect(),
        _ => fields,
    };
    provider.post(client, "par", &fields).await
}

async fn pushed(provider: &Provider, client: &Client, changes: &[(&str, &str)]) -> String {
    let (status, answer) = push(provider, client, changes).await;
    assert_eq!((status, &answer["expires_in"]), (201, &60.into()), "{answer}");
    answer["request_uri"].as_str().unwrap().to_owned()
}

async fn open(provider: &Provider, client: &Client, browser: &Browser, reference: &str) -> Page {
    let endpoint = format!("{}/authorize", provider.issuer_of(client));
    browser.get(&endpoint, &[("client_id", client.id), ("request_uri", reference)]).await
}

fn is_refused_on_a_page(page: &Page) -> bool {
    page.status == 400 && page.headers.get("location").is_none() && !page.html.contains("<form")
}

#[tokio::test]
async fn reference_stands_for_the_whole_request() {
    let provider = Provider::start().await;
    for client in [WEB, SPA, CAREFUL] {
        let browser = Browser::new();
        let reference = pushed(&provider, &client, &[("state", "pushed"), ("scope", "openid email")]).await;
        assert!(reference.starts_with("urn:ietf:params:oauth:request_uri:") && reference.len() > 70);
        // What the browser adds does not count.
        let endpoint = format!("{}/authorize", provider.issuer);
        let more = [
            ("client_id", client.id),
            ("request_uri", &reference),
            ("state", "the browser's"),
            ("scope", "openid"),
            ("redirect_uri", "https://evil.example/"),
            ("prompt", "none"),
        ];
        let page = browser.get(&endpoint, &more).await;
        let page = browser.sign_in(&page).await;
        assert!(page.location().starts_with(&format!("{}?", client.redirect_uri)));
        assert_eq!(page.answer("state"), "pushed");
        let tokens = Tokens::of(client.exchange(&provider, &page.answer("code")).await);
        assert_eq!(tokens.answer["scope"], "openid email");
    }
}

#[tokio::test]
async fn reference_leads_to_one_code() {
    let provider = Provider::start().await;
    let (browser, other) = (Browser::new(), Browser::new());
    let reference = pushed(&provider, &WEB, &[]).await;
    // Two sign-in pages, one of them loaded again: nothing is spent by looking.
    let first = open(&provider, &WEB, &browser, &reference).await;
    let second = open(&provider, &WEB, &other, &reference).await;
    assert!(open(&provider, &WEB, &browser, &reference).await.is_sign_in());
    browser.sign_in(&first).await.answer("code");
    let late = other.sign_in(&second).await;
    assert!(is_refused_on_a_page(&late), "{late:?}");
    assert!(is_refused_on_a_page(&open(&provider, &WEB, &browser, &reference).await));
}

#[tokio::test]
async fn reference_is_its_applications_and_ends_after_a_minute() {
    let provider = Provider::start().await;
    let browser = Browser::new();
    let reference = pushed(&provider, &WEB, &[]).await;
    for stranger in [SECOND, OTHER] {
        assert!(is_refused_on_a_page(&open(&provider, &stranger, &browser, &reference).await), "{}", stranger.id);
    }
    for nearly in [reference[..reference.len() - 1].to_owned(), format!("{reference}x"), reference.to_uppercase()] {
        let page = open(&provider, &WEB, &browser, &nearly).await;
        assert!(is_refused_on_a_page(&page) || page.status == 400, "{nearly}");
    }
    provider.advance(59);
    let page = open(&provider, &WEB, &browser, &reference).await;
    provider.advance(1);
    assert!(is_refused_on_a_page(&open(&provider, &WEB, &browser, &reference).await));
    // Whoever began in time may take as long as with any sign-in page.
    provider.advance(300);
    browser.sign_in(&page).await.answer("code");
}

#[tokio::test]
async fn what_could_never_be_answered_is_refused_at_once() {
    let provider = Provider::start().await;
    let own = pushed(&provider, &WEB, &[]).await;
    for (changes, expected) in [
        ([("redirect_uri", "https://evil.example/")], "invalid_request"),
        ([("redirect_uri", "")], "invalid_request"),
        ([("response_type", "token")], "unsupported_response_type"),
        ([("scope", "unknown")], "invalid_scope"),
        ([("request_uri", own.as_str())], "invalid_request"),
        ([("request_uri", "https://a.example/r")], "invalid_request"),
        ([("request", "eyJhbGciOiJub25lIn0.e30.")], "request_not_supported"),
        ([("code_challenge_method", "plain")], "invalid_request"),
    ] {
        let (status, answer) = push(&provider, &WEB, &changes).await;
        assert_eq!((status, &answer["error"]), (400, &expected.into()), "{changes:?}");
    }
    let wrong = Client { secret: "wrong", ..WEB };
    assert_eq!(push(&provider, &wrong, &[]).await.0, 401);
    let get = provider.http.get(format!("{}/par", provider.issuer)).send().await.unwrap();
    assert_eq!((get.status().as_u16(), get.headers()["allow"].to_str().unwrap().contains("POST")), (405, true));
}

#[tokio::test]
async fn careful_application_takes_no_request_from_a_browser() {
    let provider = Provider::start().await;
    let page = CAREFUL.authorize(&provider, &Browser::new(), &[]).await;
    assert_eq!((page.answer("error"), page.answer("state")), ("invalid_request".into(), "some state".into()));
}

#[tokio::test]
async fn pages_are_in_the_language_that_was_pushed() {
    let provider = Provider::start().await;
    let browser = Browser::new();
    let reference = pushed(&provider, &WEB, &[("ui_locales", "fr de"), ("prompt", "consent")]).await;
    let page = open(&provider, &WEB, &browser, &reference).await;
    assert!(page.html.contains("<html lang=\"de\">") && page.html.contains("Anmelden"), "{}", page.html);
    let wrong = browser.sign_in_as(&page, "ada@example.com", "wrong").await;
    assert!(wrong.html.contains("E-Mail-Adresse oder Passwort stimmt nicht."), "{}", wrong.html);
    let page = browser.sign_in(&wrong).await;
    assert!(page.html.contains("Zugriff erlauben?"), "{}", page.html);
    let long = "de ".repeat(200);
    let page = WEB.authorize(&provider, &Browser::new(), &[("ui_locales", &long)]).await;
    assert!(page.is_sign_in());
}
