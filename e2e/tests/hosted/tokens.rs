//! Logout tokens: what an application must find in one (OpenID Connect Back-Channel Logout 1.0 §2.4 and §2.6).

use proto::auth::v1::{MintLogoutTokenRequest, logout_token_service_client::LogoutTokenServiceClient};
use serde_json::json;
use svc_kit::client::Outgoing;
use tonic::Code;

use crate::support::{Stack, logout_claims};

const SESSION: &str = "sess_aaaaaaaaaaaaaaaaaaaaaaaaaa";

fn request() -> MintLogoutTokenRequest {
    MintLogoutTokenRequest {
        tenant_id: "default".to_owned(),
        application_id: "demo-managed".to_owned(),
        user_id: "user_ada".to_owned(),
        session_id: SESSION.to_owned(),
    }
}

async fn mint(stack: &Stack, request: MintLogoutTokenRequest) -> Result<String, tonic::Status> {
    let url = format!("http://{}", stack.server.addresses.auth_grpc);
    let channel = svc_kit::client::channel(&url, std::time::Duration::from_secs(10)).unwrap();
    let key = Outgoing::new(&"dev-operator-key".to_owned().into());
    let minted = LogoutTokenServiceClient::with_interceptor(channel, key).mint_logout_token(request).await?;
    Ok(minted.into_inner().logout_token)
}

#[tokio::test]
async fn logout_token_has_what_the_specification_asks_and_no_more() {
    let stack = Stack::start().await;
    let claims = logout_claims(&stack, &mint(&stack, request()).await.unwrap(), "demo-managed").await;
    let names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["aud", "events", "exp", "iat", "iss", "jti", "sid", "sub"]);
    assert_eq!(claims["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
    assert_eq!((claims["sub"].as_str(), claims["sid"].as_str()), (Some("user_ada"), Some(SESSION)));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 120);
    stack.stop().await;
}

#[tokio::test]
async fn each_attempt_gets_a_token_of_its_own() {
    let stack = Stack::start().await;
    let first = logout_claims(&stack, &mint(&stack, request()).await.unwrap(), "demo-managed").await;
    let second = logout_claims(&stack, &mint(&stack, request()).await.unwrap(), "demo-managed").await;
    assert_ne!(first["jti"], second["jti"]);
    stack.stop().await;
}

#[tokio::test]
async fn logout_token_is_no_hint_and_no_access_token() {
    let stack = Stack::start().await;
    let token = mint(&stack, request()).await.unwrap();
    let hinted = stack.get(&stack.logout(&token), "").await;
    assert_eq!(hinted.status(), 400);
    let userinfo = stack.http.get(stack.at("/userinfo")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(userinfo.status(), 401);
    stack.stop().await;
}

#[tokio::test]
async fn nobody_is_told_who_is_not_there() {
    let stack = Stack::start().await;
    let removed = MintLogoutTokenRequest { application_id: "removed".to_owned(), ..request() };
    assert_eq!(mint(&stack, removed).await.unwrap_err().code(), Code::NotFound);
    let malformed = MintLogoutTokenRequest { session_id: "SESSION".to_owned(), ..request() };
    assert_eq!(mint(&stack, malformed).await.unwrap_err().code(), Code::InvalidArgument);
    stack.stop().await;
}
