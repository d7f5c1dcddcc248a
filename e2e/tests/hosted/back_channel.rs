//! Telling applications from server to server (OpenID Connect Back-Channel Logout 1.0), as an application sees it: a real HTTP
//! receiver gets the token and verifies it with the published keys.

use std::time::Duration;

use axum::{Form, Router, extract::State, http::StatusCode, routing::post};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::mpsc::{Receiver, Sender, channel},
};

use crate::support::{Stack, claim, id_token, logout_claims};

const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
struct Told {
    logout_token: String,
}

/// An application that is told: its address, and the tokens that come.
async fn application() -> (String, Receiver<String>) {
    async fn take(State(told): State<Sender<String>>, Form(form): Form<Told>) -> StatusCode {
        told.send(form.logout_token).await.unwrap();
        StatusCode::OK
    }
    let (sender, receiver) = channel(16);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/logout", listener.local_addr().unwrap());
    let router = Router::new().route("/logout", post(take)).with_state(sender);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, receiver)
}

fn seed(id: &str, url: &str, is_managed: bool) -> String {
    format!(
        "[[applications]]\nid = \"{id}\"\ntenant = \"default\"\nname = \"Told\"\nsecret = \"{id}-secret\"\n\
         redirect_uris = [\"http://localhost:8080/cb\"]\napplication_managed = {is_managed}\n\
         backchannel_logout_uri = \"{url}\"\n"
    )
}

async fn next(told: &mut Receiver<String>) -> String {
    tokio::time::timeout(DEADLINE, told.recv()).await.unwrap().unwrap()
}

fn assert_says(claims: &Value, tokens: &Value) {
    let names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["aud", "events", "exp", "iat", "iss", "jti", "sid", "sub"]);
    assert_eq!(claims["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
    assert_eq!(claims["sub"], claim(tokens, "sub"));
    assert_eq!(claims["sid"], claim(tokens, "sid"));
}

#[tokio::test]
async fn oidcc_backchannel_rp_initiated_logout() {
    let ((managed_url, mut managed), (central_url, mut central)) = (application().await, application().await);
    let (own, ours) = (seed("back-managed", &managed_url, true), seed("back-web", &central_url, false));
    let stack = Stack::start_with(&format!("{own}\n{ours}")).await;
    let signed_in = stack.sign_in().await;
    let of_managed = stack.open("back-managed", &signed_in.cookie).await;
    let of_central = stack.open("back-web", &signed_in.cookie).await;
    let ended = stack.get(&stack.logout(id_token(&signed_in)), &signed_in.cookie).await;
    assert!(ended.status().is_redirection() || ended.status().is_success(), "{ended:?}");
    let token = next(&mut managed).await;
    assert_says(&logout_claims(&stack, &token, "back-managed").await, &of_managed);
    let token = next(&mut central).await;
    assert_says(&logout_claims(&stack, &token, "back-web").await, &of_central);
    assert!(!stack.is_active("back-web", &of_central).await);
    // Once each: who answers 200 is told no more.
    assert!(managed.is_empty() && central.is_empty());
    stack.stop().await;
}

#[tokio::test]
async fn an_application_that_did_not_take_part_is_not_told() {
    let ((url, mut told), (other_url, mut other)) = (application().await, application().await);
    let stack = Stack::start_with(&[seed("back-in", &url, true), seed("back-out", &other_url, true)].join("\n")).await;
    let signed_in = stack.sign_in().await;
    stack.open("back-in", &signed_in.cookie).await;
    stack.get(&stack.logout(id_token(&signed_in)), &signed_in.cookie).await;
    next(&mut told).await;
    assert!(other.try_recv().is_err());
    stack.stop().await;
}
