//! A signing key that leaked: what it signed is good for nothing from one moment to the next, and users do not notice.

use proto::{
    auth::v1::{ListSigningKeysRequest, RevokeKeyRequest, signing_key_service_client::SigningKeyServiceClient},
    session::v1::{ListSessionsRequest, SessionFilter, session_service_client::SessionServiceClient},
};
use serde_json::json;

use super::support::{Browser, Provider, Tokens, WEB, header, line, operator, verified};

const BACKEND: &str = "demo-backend";

/// Revokes the key that signed a JWT.
async fn revoke_key_of(provider: &Provider, jwt: &str) {
    let mut keys = SigningKeyServiceClient::new(operator(&provider.auth_grpc()));
    let signing_key_id = header(jwt)["kid"].as_str().unwrap().to_owned();
    keys.revoke_key(RevokeKeyRequest { signing_key_id }).await.unwrap();
    let left = keys.list_signing_keys(ListSigningKeysRequest::default()).await.unwrap().into_inner().keys;
    assert_eq!(left.len(), 3);
}

#[tokio::test]
async fn what_a_leaked_key_signed_is_refused_and_the_next_refresh_is_good() {
    let provider = Provider::start().await;
    let browser = Browser::new();
    let old = WEB.sign_in(&provider, &browser, &[]).await;
    assert_eq!(provider.userinfo(&old.access).await.0, 200);
    revoke_key_of(&provider, &old.access).await;
    assert_eq!(provider.userinfo(&old.access).await.0, 401);
    assert_eq!(provider.introspect(&WEB, &old.access).await, json!({ "active": false }));
    let page = WEB.authorize(&provider, &browser, &[("id_token_hint", &old.id), ("prompt", "none")]).await;
    assert_eq!(page.answer("error"), "invalid_request", "a hint is worth nothing either");
    let page = browser.get(&format!("{}/logout", provider.issuer), &[("id_token_hint", &old.id)]).await;
    assert_eq!(page.status, 400, "and ends nothing");
    // The user is still signed in, here and there.
    assert_eq!(WEB.authorize(&provider, &browser, &[("prompt", "none")]).await.find("error"), None);
    let new = Tokens::of(WEB.refresh(&provider, &old.refresh, &[]).await);
    assert_ne!(header(&new.access)["kid"], header(&old.access)["kid"]);
    assert_eq!(verified(&provider, &new.access).await["sub"], verified(&provider, &new.id).await["sub"]);
    assert_eq!(provider.userinfo(&new.access).await.0, 200);
}

#[tokio::test]
async fn the_other_services_follow_within_half_a_minute() {
    let provider = Provider::start().await;
    let own = async || {
        let fields =
            [("grant_type", "client_credentials"), ("client_id", BACKEND), ("client_secret", "demo-backend-secret")];
        Tokens::of(provider.post_as_it_is("default", "token", &fields).await).access
    };
    let ask = async |token: &str| {
        let filter = SessionFilter {
            tenant_id: "default".to_owned(),
            user_id: "somebody".to_owned(),
            ..SessionFilter::default()
        };
        let request = ListSessionsRequest { filter: Some(filter), ..ListSessionsRequest::default() };
        let answer = SessionServiceClient::new(line(&provider.session_grpc(), token)).list_sessions(request).await;
        answer.map(drop).map_err(|status| svc_kit::error::reason_of(&status).unwrap())
    };
    let old = own().await;
    assert_eq!(ask(&old).await, Ok(()));
    revoke_key_of(&provider, &old).await;
    provider.advance(30);
    assert_eq!(ask(&old).await, Err("CREDENTIAL_INVALID".to_owned()));
    assert_eq!(ask(&own().await).await, Ok(()));
}
