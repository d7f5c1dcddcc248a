//! One SSO session for each browser: who signs in again stays in it, somebody else ends it.

use proto::auth::v1::{
    SsoWithoutKeepSignedIn, Tenant, UpdateTenantRequest, tenant_service_client::TenantServiceClient,
};

use crate::{
    matrix::line,
    support::{Stack, cookie_of, field_of, id_token, location, query},
};

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

/// `sso_without_keep_signed_in: NONE`: also a cookie from before, or from a question that nobody answered, signs in nobody.
#[tokio::test]
async fn tenant_without_sso_asks_again_whatever_cookie_there_is() {
    let stack = Stack::start().await;
    let before = stack.sign_in().await;
    assert!(stack.is_signed_in(&before.cookie).await);
    let tenant = Tenant {
        id: "default".to_owned(),
        sso_without_keep_signed_in: SsoWithoutKeepSignedIn::None.into(),
        ..Tenant::default()
    };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["sso_without_keep_signed_in".to_owned()] });
    let request = UpdateTenantRequest { tenant: Some(tenant), update_mask };
    TenantServiceClient::new(line(stack.server.addresses.auth_grpc)).update_tenant(request).await.unwrap();
    assert!(!stack.is_signed_in(&before.cookie).await);
    // Asked for consent, and gone.
    let page = stack.get(&stack.authorize_for("asks", &[]), "").await;
    let cookie = cookie_of(&page, "interaction").unwrap();
    let html = page.text().await.unwrap();
    let password = "correct horse battery staple";
    let form = [("interaction", field_of(&html)), ("login", "ada@example.com"), ("password", password)];
    let asked = stack.http.post(stack.at("/login")).header("cookie", &cookie).form(&form).send().await.unwrap();
    let unanswered = cookie_of(&asked, "sso").expect("the question needs it");
    assert!(asked.text().await.unwrap().contains("consent-allow"));
    assert!(!stack.is_signed_in(&unanswered).await);
    stack.stop().await;
}
