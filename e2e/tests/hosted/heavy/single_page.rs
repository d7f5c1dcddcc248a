//! npm's `oidc-client-ts` in Chromium: a single-page application in two tabs, with and without a key of its own.

use std::path::Path;

use axum::{Router, http::header, response::Html, routing::get};

use super::{Application, Browser, Look, started};

const LIBRARY: &str = ".tools/relying-parties/node/node_modules/oidc-client-ts/dist/browser/oidc-client-ts.js";

/// The page, and the library.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/single-page", get(async || Html(include_str!("single_page.html"))))
        .route("/oidc-client-ts.js", get(async || ([(header::CONTENT_TYPE, "text/javascript")], library())))
}

fn library() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(LIBRARY);
    std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{} cannot be read ({error}); scripts/install.sh test brings it", path.display())
    })
}

/// The application in the directory: a public client.
pub fn seed(application: &Application) -> String {
    let base = &application.base;
    format!(
        "[[applications]]\nid = \"single-page\"\ntenant = \"default\"\nname = \"Single page\"\n\
         redirect_uris = [\"{base}/single-page\"]\npost_logout_redirect_uris = [\"{base}/cb\"]\n"
    )
}

/// Waits until the page says something, and returns it.
async fn said(browser: &Browser) -> String {
    browser.waits_for("return document.getElementById('said')?.textContent").await
}

async fn two_tabs(is_bound: bool, token_type: &str, who: &str) {
    let (stack, application) = started().await;
    let browser = Browser::open(Look::DESK).await;
    let (issuer, page) = (stack.server.addresses.issuer.clone(), format!("{}/single-page", application.base));
    browser.go(&page).await;
    browser.run(&format!("signIn('{issuer}', {is_bound})")).await;
    browser.fill("#login", "ada@example.com").await;
    browser.fill("#password", "correct horse battery staple").await;
    browser.click("#submit").await;
    browser.arrives_at(&page).await;
    assert_eq!(said(&browser).await, format!("signed in {who}"));
    browser.run("kind()").await;
    let kind = "return ['bearer', 'dpop'].find(kind => kind === document.getElementById('said').textContent)";
    assert_eq!(browser.waits_for(kind).await, token_type);
    let first = browser.tab().await;
    let second = browser.new_tab().await;
    browser.go(&page).await;
    // Both hold the same token and refresh at once, again and again: neither is signed out by the other.
    for _ in 0..3 {
        for tab in [&second, &first] {
            browser.enter_tab(tab).await;
            browser.run("refresh()").await;
        }
        for tab in [&first, &second] {
            browser.enter_tab(tab).await;
            assert_eq!(said(&browser).await, format!("refreshed {who}"));
        }
    }
    browser.enter_tab(&first).await;
    browser.run("signOut()").await;
    browser.arrives_at(&application.cb()).await;
    // Whoever is signed out here is signed out everywhere.
    browser.go(&format!("{issuer}/authorize?{}", query(&page))).await;
    assert!(browser.arrives_at(&page).await.contains("error=login_required"));
    stack.stop().await;
}

/// A request that shows nothing.
fn query(redirect_uri: &str) -> String {
    let fields = [
        ("client_id", "single-page"),
        ("redirect_uri", redirect_uri),
        ("response_type", "code"),
        ("scope", "openid"),
        ("prompt", "none"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn tabs_that_refresh_at_once_stay_signed_in() {
    two_tabs(false, "bearer", "ada@example.com").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tabs_share_the_key_that_their_tokens_are_bound_to() {
    two_tabs(true, "dpop", "somebody").await;
}
