//! Letting a device in, in a browser: with and without scripts, on a small screen in the dark, by keyboard alone.

use serde_json::Value;

use super::{
    Browser, Look,
    driver::{ENTER, TAB},
    sight::check,
    started,
};
use crate::support::Stack;

const LOGIN: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery staple";

/// The code that a device shows.
async fn code(stack: &Stack) -> String {
    let request = stack.http.post(stack.at("/device_authorization"));
    let begun: Value =
        request.form(&[("client_id", "tv"), ("scope", "openid email")]).send().await.unwrap().json().await.unwrap();
    begun["user_code"].as_str().unwrap().to_owned()
}

async fn walk(look: Look, name: &str) {
    let (stack, _) = started().await;
    let (browser, code) = (Browser::open(look).await, code(&stack).await);
    browser.go(&stack.at("/device")).await;
    browser.fill("#user-code", "BCDF-GHJK").await;
    browser.click("#submit").await;
    assert!(browser.text("#problem").await.starts_with("That code is not right"));
    browser.picture(&format!("{name}-device-1-code")).await;
    if look.has_scripts {
        check(&browser, "code").await;
        assert_eq!(browser.label("#user-code").await, "Code");
    }
    browser.fill("#user-code", &code.to_lowercase()).await;
    browser.click("#submit").await;
    browser.fill("#login", LOGIN).await;
    browser.fill("#password", PASSWORD).await;
    browser.click("#submit").await;
    assert_eq!(browser.text("#shown-code").await, code);
    browser.picture(&format!("{name}-device-2-question")).await;
    if look.has_scripts {
        check(&browser, "question").await;
    }
    browser.click("#consent-allow").await;
    browser.arrives_at(&stack.at("/device/decide")).await;
    assert_eq!(browser.text("h1").await, "Your device is connected");
    browser.picture(&format!("{name}-device-3-connected")).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn device_is_let_in_on_a_small_screen_in_the_dark() {
    walk(Look { is_dark: true, ..Look::SMALL }, "small-dark").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn device_is_let_in_without_scripts() {
    walk(Look::WITHOUT_SCRIPTS, "without-scripts").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn device_is_let_in_by_keyboard_alone() {
    let (stack, _) = started().await;
    let (browser, code) = (Browser::open(Look::DESK).await, code(&stack).await);
    browser.go(&stack.at("/device?ui_locales=de")).await;
    assert_eq!(browser.text("h1").await, "Gerät verbinden");
    assert_eq!(browser.focused().await, "user-code");
    browser.keys(&format!("{code}{ENTER}")).await;
    browser.text("#password").await;
    assert_eq!(browser.focused().await, "login");
    browser.keys(&format!("{LOGIN}{TAB}{PASSWORD}{ENTER}")).await;
    browser.text("#consent-allow").await;
    browser.keys(TAB).await;
    assert_eq!(browser.focused().await, "consent-allow");
    browser.keys(&format!("{TAB}{ENTER}")).await;
    browser.arrives_at(&stack.at("/device/decide")).await;
    assert_eq!(browser.text("h1").await, "Ihr Gerät ist nicht verbunden");
    stack.stop().await;
}
