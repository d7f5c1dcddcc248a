//! What requests from other sites can do to a browser's sign-in: nothing. `SameSite=Lax` is played by leaving the cookie
//! out, as a browser does with a POST from elsewhere.

use reqwest::{StatusCode, header};

use crate::support::{AFTER, Stack, authorization, cookie_of, id_token, location, query};

#[tokio::test]
async fn posted_authorization_finds_the_sign_in_when_it_comes_again() {
    let stack = Stack::start().await;
    let signed_in = stack.sign_in().await;
    let mut form = authorization().to_vec();
    form.push(("prompt", "none"));
    let posted = stack.http.post(stack.at("/authorize")).form(&form).send().await.unwrap();
    let again = location(&posted);
    assert_eq!(again.as_str().split('?').next(), Some(stack.at("/authorize").as_str()));
    let answer = location(&stack.get(again.as_str(), &signed_in.cookie).await);
    assert!(query(&answer, "code").is_some(), "{answer}");
    assert_eq!(query(&answer, "state").as_deref(), Some("a b&c"));
    stack.stop().await;
}

#[tokio::test]
async fn posted_logout_from_elsewhere_takes_no_cookie_and_asks() {
    let stack = Stack::start().await;
    let signed_in = stack.sign_in().await;
    let empty: [(&str, &str); 0] = [];
    let posted = stack.http.post(stack.at("/logout")).form(&empty).send().await.unwrap();
    assert!(posted.headers().get(header::SET_COOKIE).is_none());
    let again = location(&posted);
    let page = stack.get(again.as_str(), &signed_in.cookie).await;
    assert_eq!(cookie_of(&page, "sso"), None);
    assert!(page.text().await.unwrap().contains("logout-confirm"));
    assert!(stack.is_signed_in(&signed_in.cookie).await);
    stack.stop().await;
}

#[tokio::test]
async fn logout_without_the_cookie_takes_no_cookie() {
    let stack = Stack::start().await;
    let page = stack.get(&stack.at("/logout"), "").await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.headers().get(header::SET_COOKIE).is_none());
    stack.stop().await;
}

#[tokio::test]
async fn posted_logout_with_a_hint_ends_the_sign_in() {
    let stack = Stack::start().await;
    let signed_in = stack.sign_in().await;
    let form = [("id_token_hint", id_token(&signed_in)), ("post_logout_redirect_uri", AFTER), ("state", "s 1")];
    let posted = stack.http.post(stack.at("/logout")).form(&form).send().await.unwrap();
    let ended = stack.get(location(&posted).as_str(), &signed_in.cookie).await;
    assert_eq!(location(&ended).as_str(), "http://localhost:8080/?state=s+1");
    assert_eq!(cookie_of(&ended, "sso").as_deref(), Some("lk_sso_default="));
    assert!(!stack.is_signed_in(&signed_in.cookie).await);
    stack.stop().await;
}

#[tokio::test]
async fn id_token_of_an_earlier_sign_in_does_not_log_out_without_asking() {
    let stack = Stack::start().await;
    let earlier = stack.sign_in().await;
    let ended = stack.get(&stack.logout(id_token(&earlier)), &earlier.cookie).await;
    assert_eq!(location(&ended).as_str(), AFTER);
    let now = stack.sign_in().await;
    let page = stack.get(&stack.logout(id_token(&earlier)), &now.cookie).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.text().await.unwrap().contains("logout-confirm"));
    assert!(stack.is_signed_in(&now.cookie).await);
    stack.stop().await;
}
