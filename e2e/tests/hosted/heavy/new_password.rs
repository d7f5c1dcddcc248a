//! Setting another password because the present one is not to be used any more, in a browser: with and without scripts, on a
//! small screen in the dark, by keyboard alone.

use super::{
    Browser, Look,
    driver::{ENTER, TAB},
    sight::check,
    started,
};
use crate::password::{ADA, NEW, OLD, for_once};

async fn send(browser: &Browser, password: &str, new: &str) {
    browser.fill("#password", password).await;
    browser.fill("#new-password", new).await;
    browser.click("#submit").await;
}

async fn walk(look: Look, name: &str) {
    let (stack, application) = started().await;
    for_once(&stack).await;
    let browser = Browser::open(look).await;
    browser.go(&application.authorize(&stack.server.addresses.issuer, "paper", &[])).await;
    browser.fill("#login", ADA).await;
    browser.fill("#password", OLD).await;
    browser.click("#remember").await;
    browser.click("#submit").await;
    browser.text("#new-password").await;
    assert_eq!(browser.text("h1").await, "Set a new password");
    assert_eq!(browser.property("#login", "value").await, ADA, "whose it is, for those who keep passwords for people");
    let labels = [browser.label("#password").await, browser.label("#new-password").await];
    assert_eq!(labels, ["Present password", "New password"]);
    browser.picture(&format!("{name}-password-1")).await;
    let is_seen = look.has_scripts;
    if is_seen {
        check(&browser, "new password").await;
    }
    send(&browser, "wrong password", NEW).await;
    assert_eq!(browser.text("#problem").await, "The present password is not right.");
    assert_eq!(browser.property("#new-password", "value").await, "", "no password comes back");
    assert!(browser.has("#password[aria-invalid]").await && !browser.has("#new-password[aria-invalid]").await);
    send(&browser, OLD, "password").await;
    assert!(
        browser.waits_until("#problem", "Please choose another new password").await.contains("at least 8 characters")
    );
    assert!(!browser.has("#password[aria-invalid]").await && browser.has("#new-password[aria-invalid]").await);
    browser.picture(&format!("{name}-password-2-refused")).await;
    if is_seen {
        check(&browser, "new password refused").await;
        let described =
            "return document.getElementById(document.activeElement.getAttribute('aria-describedby')).textContent";
        let read_out = browser.run(described).await;
        assert!(read_out.as_str().unwrap().starts_with("Please choose another new password"), "{read_out}");
    }
    send(&browser, OLD, NEW).await;
    assert!(browser.arrives_at(&application.cb()).await.contains("code="));
    // Who is signed in by it stays so.
    browser.go(&application.authorize(&stack.server.addresses.issuer, "paper", &[("prompt", "none")])).await;
    assert!(browser.arrives_at(&application.cb()).await.contains("code="));
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn password_is_changed_at_a_desk() {
    walk(Look::DESK, "desk").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn password_is_changed_without_scripts() {
    walk(Look::WITHOUT_SCRIPTS, "without-scripts").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn password_is_changed_on_a_small_screen_in_the_dark() {
    walk(Look { is_dark: true, ..Look::SMALL }, "small-dark").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn password_is_changed_by_keyboard_alone() {
    let (stack, application) = started().await;
    for_once(&stack).await;
    let browser = Browser::open(Look::DESK).await;
    let german = [("ui_locales", "de")];
    browser.go(&application.authorize(&stack.server.addresses.issuer, "paper", &german)).await;
    browser.keys(&format!("{ADA}{TAB}{OLD}{ENTER}")).await;
    browser.text("#new-password").await;
    assert_eq!(browser.text("h1").await, "Neues Passwort festlegen");
    assert_eq!(browser.focused().await, "password", "the focus is where typing begins");
    browser.keys(&format!("{OLD}{TAB}")).await;
    assert_eq!(browser.focused().await, "new-password");
    browser.keys(&format!("x{ENTER}")).await;
    browser.text("#problem").await;
    assert_eq!(browser.focused().await, "password");
    browser.keys(&format!("{OLD}{TAB}{NEW}{TAB}")).await;
    assert_eq!(browser.focused().await, "submit");
    let outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle").await;
    assert_ne!(outline, "none", "the focus can be seen");
    browser.keys(ENTER).await;
    assert!(browser.arrives_at(&application.cb()).await.contains("code="));
    stack.stop().await;
}
