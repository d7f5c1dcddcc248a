//! One SSO session for each browser: who signs in again stays in it, somebody else ends it.

use crate::support::{Stack, cookie_of, id_token, location, query};

#[tokio::test]
async fn signing_in_again_keeps_the_applications_and_kills_the_old_cookie() {
    let stack = Stack::start().await;
    let first = stack.sign_in().await;
    let second = stack.sign_in_with(&first.cookie).await;
    assert_ne!(first.cookie, second.cookie);
    assert!(!stack.is_signed_in(&first.cookie).await);
    assert!(stack.is_signed_in(&second.cookie).await);
    assert!(stack.is_active("demo-web", &first.tokens).await, "the application that was open stays open");
    // The session is the same, so an ID token from before it was renewed still names it.
    let ended = stack.get(&stack.logout(id_token(&first)), &second.cookie).await;
    assert!(location(&ended).as_str().starts_with(crate::support::AFTER));
    assert!(!stack.is_active("demo-web", &first.tokens).await && !stack.is_active("demo-web", &second.tokens).await);
    stack.stop().await;
}

#[tokio::test]
async fn somebody_else_signing_in_ends_the_session_before() {
    let stack = Stack::start().await;
    let ada = stack.sign_in().await;
    let grace = stack.sign_in_as(("grace@example.com", "nanoseconds matter too"), &ada.cookie).await;
    assert!(!stack.is_signed_in(&ada.cookie).await);
    assert!(!stack.is_active("demo-web", &ada.tokens).await && stack.is_active("demo-web", &grace.tokens).await);
    stack.stop().await;
}

#[tokio::test]
async fn refused_sign_in_leaves_the_session_before() {
    let stack = Stack::start().await;
    let ada = stack.sign_in().await;
    let page = stack.get(&stack.authorize(&[("prompt", "login")]), &ada.cookie).await;
    let cookies = format!("{}; {}", cookie_of(&page, "interaction").unwrap(), ada.cookie);
    let html = page.text().await.unwrap();
    let field = html.split("name=\"interaction\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let form = [("interaction", field), ("login", "ada@example.com"), ("password", "wrong")];
    let sent = stack.http.post(stack.at("/login")).header("cookie", cookies).form(&form).send().await.unwrap();
    assert_eq!(sent.status(), 401);
    assert!(stack.is_signed_in(&ada.cookie).await && stack.is_active("demo-web", &ada.tokens).await);
    let silent = stack.get(&stack.authorize(&[("prompt", "none")]), &ada.cookie).await;
    assert!(query(&location(&silent), "code").is_some());
    stack.stop().await;
}
