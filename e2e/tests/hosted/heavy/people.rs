//! Signing in, agreeing and signing out, from end to end.

use super::{
    Application, Browser, Look,
    driver::{ENTER, SPACE, TAB},
    started,
};
use crate::support::Stack;

const LOGIN: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery staple";

async fn sign_in(browser: &Browser, password: &str) {
    browser.fill("#login", LOGIN).await;
    browser.fill("#password", password).await;
    browser.click("#submit").await;
}

/// From the first page to the last one by clicking, with pictures.
async fn walk(look: Look, name: &str) {
    let (stack, application) = started().await;
    let browser = Browser::open(look).await;
    let issuer = stack.server.addresses.issuer.clone();
    browser.go(&application.authorize(&issuer, "wants-consent", &[])).await;
    browser.picture(&format!("{name}-1-sign-in")).await;
    sign_in(&browser, "wrong").await;
    assert_eq!(browser.text("#problem").await, "E-mail address or password is not right.");
    assert_eq!(browser.property("#login", "value").await, LOGIN, "what was typed is kept");
    assert_eq!(browser.property("#password", "value").await, "", "but not the password");
    browser.picture(&format!("{name}-2-refused")).await;
    browser.click("#remember").await;
    sign_in(&browser, PASSWORD).await;
    assert!(browser.text(".wishes").await.contains("See your e-mail address"));
    browser.picture(&format!("{name}-3-consent")).await;
    browser.click("#consent-allow").await;
    let back = browser.arrives_at(&application.cb()).await;
    assert!(back.contains("code=") && back.contains("state=s") && back.contains("iss="), "{back}");
    // The second application asks nobody.
    browser.go(&application.authorize(&issuer, "paper", &[])).await;
    assert!(browser.arrives_at(&application.cb()).await.contains("code="));
    browser.go(&format!("{issuer}/logout")).await;
    browser.picture(&format!("{name}-4-sign-out")).await;
    browser.click("#logout-confirm").await;
    browser.arrives_at(&format!("{issuer}/logout/confirm")).await;
    assert_eq!(browser.text("h1").await, "You are signed out");
    browser.picture(&format!("{name}-5-signed-out")).await;
    browser.go(&format!("{issuer}/authorize?client_id=nobody")).await;
    assert_eq!(browser.text("h1").await, "This sign-in link does not work");
    browser.picture(&format!("{name}-6-error")).await;
    browser.go(&application.authorize(&issuer, "paper", &[("prompt", "none")])).await;
    assert!(browser.arrives_at(&application.cb()).await.contains("error=login_required"));
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_in_a_browser() {
    walk(Look::DESK, "desk").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_without_scripts() {
    walk(Look::WITHOUT_SCRIPTS, "without-scripts").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_on_a_small_screen() {
    walk(Look::SMALL, "small").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_in_the_dark() {
    walk(Look::DARK, "dark").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keyboard_alone_is_enough() {
    let (stack, application) = started().await;
    let browser = Browser::open(Look::DESK).await;
    let issuer = stack.server.addresses.issuer.clone();
    browser.go(&application.authorize(&issuer, "wants-consent", &[])).await;
    assert_eq!(browser.focused().await, "login", "the focus is where typing begins");
    browser.keys(&format!("{LOGIN}{TAB}")).await;
    assert_eq!(browser.focused().await, "password");
    browser.keys(&format!("wrong{ENTER}")).await;
    browser.text("#problem").await;
    // The address is there already, so the focus is on the password.
    assert_eq!(browser.focused().await, "password");
    browser.keys(&format!("{PASSWORD}{TAB}")).await;
    assert_eq!(browser.focused().await, "remember");
    browser.keys(&format!("{SPACE}{TAB}")).await;
    assert_eq!(browser.property("#remember", "checked").await, true);
    assert_eq!(browser.focused().await, "submit");
    browser.keys(ENTER).await;
    browser.text("#consent-allow").await;
    for expected in ["consent-allow", "consent-deny"] {
        browser.keys(TAB).await;
        assert_eq!(browser.focused().await, expected);
        let outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle").await;
        assert_ne!(outline, "none", "{expected}: the focus can be seen");
    }
    browser.keys(ENTER).await;
    assert!(browser.arrives_at(&application.cb()).await.contains("error=access_denied"));
    browser.go(&format!("{issuer}/logout")).await;
    browser.keys(&format!("{TAB}{ENTER}")).await;
    browser.arrives_at(&format!("{issuer}/logout/confirm")).await;
    assert_eq!(browser.text("h1").await, "You are signed out");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn form_posts_itself_or_waits_for_the_button() {
    for (look, by_hand) in [(Look::DESK, false), (Look::WITHOUT_SCRIPTS, true)] {
        let (stack, application): (Stack, Application) = started().await;
        let browser = Browser::open(look).await;
        let issuer = stack.server.addresses.issuer.clone();
        browser.go(&application.authorize(&issuer, "paper", &[("response_mode", "form_post")])).await;
        sign_in(&browser, PASSWORD).await;
        if by_hand {
            assert_eq!(browser.text("#submit").await, "Continue");
            browser.picture("without-scripts-form-post").await;
            browser.click("#submit").await;
        }
        assert_eq!(browser.arrives_at(&application.cb()).await, application.cb(), "nothing in the address");
        assert_eq!(browser.text("#home").await, "At the application");
        let posted = application.seen().pop().unwrap();
        assert!(posted.starts_with("/cb code=") && posted.contains("&state=s&iss="), "{posted}");
        stack.stop().await;
    }
}
