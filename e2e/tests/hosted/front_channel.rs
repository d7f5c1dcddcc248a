//! Telling applications by the browser (OpenID Connect Front-Channel Logout 1.0): whom, with what, and nobody else.

use reqwest::{Response, StatusCode, header};
use serde_json::Value;
use url::Url;

use crate::support::{Stack, claim, id_token};

fn policy(response: &Response) -> String {
    response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
}

/// Addresses of the frames of a page.
fn frames(html: &str) -> Vec<Url> {
    let sources = html.split("<iframe").skip(1).map(|frame| frame.split("src=\"").nth(1).unwrap());
    sources.map(|rest| Url::parse(&rest.split('"').next().unwrap().replace("&#38;", "&")).unwrap()).collect()
}

#[tokio::test]
async fn participants_are_told_with_the_sid_they_know_and_nobody_else_is() {
    let stack = Stack::start().await;
    let signed_in = stack.sign_in().await;
    let web = stack.open("front-web", &signed_in.cookie).await;
    let managed = stack.open("front-managed", &signed_in.cookie).await;
    let kept = stack.open("front-kept", &signed_in.cookie).await;
    let page = stack.get(&stack.logout(id_token(&signed_in)), &signed_in.cookie).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(policy(&page).contains("; frame-src http://localhost:9801 http://localhost:9802; "), "{}", policy(&page));
    let html = page.text().await.unwrap();
    let issuer = url::form_urlencoded::byte_serialize(stack.server.addresses.issuer.as_bytes()).collect::<String>();
    let told: Vec<String> = frames(&html).into_iter().map(String::from).collect();
    assert_eq!(
        told,
        [
            format!("http://localhost:9802/out?iss={issuer}&sid={}", claim(&managed, "sid")),
            format!("http://localhost:9801/out?keep=1&iss={issuer}&sid={}", claim(&web, "sid")),
        ]
    );
    assert!(html.contains("id=\"continue\" href=\"http://localhost:8080/\""), "{html}");
    assert!(!stack.is_signed_in(&signed_in.cookie).await);
    // Who keeps its session on logout has it still.
    assert!(stack.is_active("front-kept", &kept).await && !stack.is_active("front-web", &web).await);
    stack.stop().await;
}

#[tokio::test]
async fn nobody_takes_part_and_the_browser_goes_on_at_once() {
    let stack = Stack::start().await;
    let signed_in = stack.sign_in().await;
    let ended = stack.get(&stack.logout(id_token(&signed_in)), &signed_in.cookie).await;
    assert_eq!(ended.status(), StatusCode::SEE_OTHER);
    stack.stop().await;
}

#[tokio::test]
async fn application_that_keeps_its_own_sessions_gets_no_token_of_ours() {
    let stack = Stack::start().await;
    let signed_in = stack.sign_in().await;
    let tokens = stack.open("front-managed", &signed_in.cookie).await;
    assert!(tokens.get("refresh_token").is_none(), "{tokens}");
    assert!(tokens["id_token"].is_string());
    stack.stop().await;
}

#[tokio::test]
async fn discovery_says_which_logouts_there_are() {
    let stack = Stack::start().await;
    let address = stack.at("/.well-known/openid-configuration");
    let document: Value = stack.get(&address, "").await.json().await.unwrap();
    for way in ["frontchannel", "backchannel"] {
        for what in ["logout_supported", "logout_session_supported"] {
            assert_eq!(document[format!("{way}_{what}")], true);
        }
    }
    assert_eq!(document["end_session_endpoint"], stack.at("/logout"));
    stack.stop().await;
}
