//! Seeing and ending sessions, in a browser: with and without scripts, on a small screen in the dark, by keyboard alone.

use super::{
    Browser, Look,
    driver::{ENTER, TAB},
    sight::check,
    started,
};
use crate::support::claim;

const LOGIN: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery staple";

async fn walk(look: Look, name: &str) {
    let (stack, application) = started().await;
    let (browser, elsewhere) = (Browser::open(look).await, stack.sign_in().await);
    let issuer = stack.server.addresses.issuer.clone();
    let sid = claim(&elsewhere.tokens, "sid");
    browser.go(&stack.at("/account")).await;
    browser.fill("#login", LOGIN).await;
    browser.fill("#password", PASSWORD).await;
    browser.click("#submit").await;
    assert_eq!(browser.text("#account").await, LOGIN);
    // Another application, in this browser.
    browser.go(&application.authorize(&issuer, "paper", &[])).await;
    browser.arrives_at(&application.cb()).await;
    browser.go(&stack.at("/account")).await;
    let here = browser.text("#here").await;
    assert!(here.starts_with("Chrome · Linux this browser"), "{here}");
    assert!(browser.text(&format!("#{sid}")).await.starts_with("Demo web application"));
    let label = browser.label(&format!("#end-{sid}")).await;
    assert_eq!(label, "End: Demo web application", "said with what it ends");
    browser.picture(&format!("{name}-account-1")).await;
    if look.has_scripts {
        check(&browser, "account").await;
    }
    browser.click(&format!("#end-{sid}")).await;
    assert!(browser.text("#done").await.starts_with("It has ended"));
    assert!(!stack.is_active("demo-web", &elsewhere.tokens).await);
    assert!(stack.is_signed_in(&elsewhere.cookie).await, "its browser is signed in still");
    browser.picture(&format!("{name}-account-2-ended")).await;
    if look.has_scripts {
        check(&browser, "account, ended").await;
    }
    browser.click("#end-elsewhere").await;
    browser.arrives_at(&stack.at("/account/end")).await;
    while browser.has("#end-elsewhere").await {
        tokio::task::yield_now().await;
    }
    assert!(!stack.is_signed_in(&elsewhere.cookie).await);
    browser.click("#sign-out").await;
    browser.click("#logout-confirm").await;
    browser.arrives_at(&stack.at("/logout/confirm")).await;
    browser.go(&stack.at("/account")).await;
    browser.text("#password").await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_seen_and_ended_at_a_desk() {
    walk(Look::DESK, "desk").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_seen_and_ended_without_scripts() {
    walk(Look::WITHOUT_SCRIPTS, "without-scripts").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_seen_and_ended_on_a_small_screen_in_the_dark() {
    walk(Look { is_dark: true, ..Look::SMALL }, "small-dark").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_seen_and_ended_by_keyboard_alone() {
    let (stack, _) = started().await;
    let (browser, elsewhere) = (Browser::open(Look::DESK).await, stack.sign_in().await);
    let sid = claim(&elsewhere.tokens, "sid");
    browser.go(&stack.at("/account?ui_locales=de")).await;
    assert_eq!(browser.focused().await, "login");
    browser.keys(&format!("{LOGIN}{TAB}{PASSWORD}{ENTER}")).await;
    browser.text("#here").await;
    assert_eq!(browser.text("h1").await, "Ihre Sitzungen");
    browser.keys(TAB).await;
    assert_eq!(browser.focused().await, "sign-out", "this browser comes first");
    let outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle").await;
    assert_ne!(outline, "none", "the focus can be seen");
    browser.keys(&format!("{TAB}{TAB}")).await;
    assert_eq!(browser.focused().await, format!("end-{sid}"));
    browser.keys(ENTER).await;
    assert!(browser.text("#done").await.starts_with("Beendet"));
    assert!(!stack.is_active("demo-web", &elsewhere.tokens).await);
    stack.stop().await;
}
