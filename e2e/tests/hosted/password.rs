//! The page that asks for another password, and applications that let in registered users only.

use proto::auth::v1::{
    Application, CreateRegistrationRequest, SetPasswordRequest, UpdateApplicationRequest,
    application_service_client::ApplicationServiceClient, registration_service_client::RegistrationServiceClient,
    user_service_client::UserServiceClient,
};
use reqwest::{Response, StatusCode, header};

use crate::{
    matrix::{Line, line},
    support::{SignedIn, Stack, claim, cookie_of, field_of, location, query},
};

pub(crate) const ADA: &str = "ada@example.com";
pub(crate) const OLD: &str = "for the first time only";
pub(crate) const NEW: &str = "a wholly different one";

fn auth(stack: &Stack) -> Line {
    line(stack.server.addresses.auth_grpc)
}

/// Gives Ada a password for once; returns what she had before.
pub(crate) async fn for_once(stack: &Stack) -> SignedIn {
    let before = stack.sign_in().await;
    let user_id = claim(&before.tokens, "sub");
    let request = SetPasswordRequest { user_id, password: OLD.to_owned(), change_required: true };
    UserServiceClient::new(auth(stack)).set_password(request).await.unwrap();
    before
}

/// Sends a form as the browser that has this cookie.
async fn send(stack: &Stack, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Response {
    stack.http.post(stack.at(path)).header(header::COOKIE, cookie).form(fields).send().await.unwrap()
}

/// Fills in the sign-in form; returns the answer and the cookie that goes with it.
async fn sign_in(stack: &Stack, password: &str) -> (Response, String) {
    let page = stack.get(&stack.authorize(&[("prompt", "login")]), "").await;
    let cookie = cookie_of(&page, "interaction").unwrap();
    let html = page.text().await.unwrap();
    let fields = [("interaction", field_of(&html)), ("login", ADA), ("password", password)];
    (send(stack, "/login", &cookie, &fields).await, cookie)
}

#[tokio::test]
async fn a_password_for_once_is_changed_on_the_way_to_the_application() {
    let stack = Stack::start().await;
    let before = for_once(&stack).await;
    assert_eq!(sign_in(&stack, "wrong password").await.0.status(), StatusCode::UNAUTHORIZED);
    let (asked, cookie) = sign_in(&stack, OLD).await;
    assert_eq!(asked.status(), StatusCode::OK);
    assert!(cookie_of(&asked, "sso").is_none(), "nobody is signed in yet");
    let html = asked.text().await.unwrap();
    for element in [r#"id="login""#, r#"id="password""#, r#"id="new-password""#, r#"id="submit""#] {
        assert!(html.contains(element), "{element}: {html}");
    }
    assert!(html.contains(ADA) && !html.contains(OLD), "{html}");
    let step = field_of(&html).to_owned();
    for (password, new_password, status) in [
        ("wrong password", NEW, StatusCode::UNAUTHORIZED),
        (OLD, OLD, StatusCode::BAD_REQUEST),
        (OLD, "x", StatusCode::BAD_REQUEST),
    ] {
        let fields = [("interaction", step.as_str()), ("password", password), ("new_password", new_password)];
        let refused = send(&stack, "/password", &cookie, &fields).await;
        assert_eq!(refused.status(), status);
        assert!(refused.text().await.unwrap().contains(r#"role="alert""#));
    }
    // Neither another browser nor a foreign page sends it.
    let fields = [("interaction", step.as_str()), ("password", OLD), ("new_password", NEW)];
    assert_eq!(send(&stack, "/password", "", &fields).await.status(), StatusCode::FORBIDDEN);
    let foreign = stack.http.post(stack.at("/password")).header(header::COOKIE, &cookie).form(&fields);
    let foreign = foreign.header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    let done = send(&stack, "/password", &cookie, &fields).await;
    let sso = cookie_of(&done, "sso").unwrap();
    let code = query(&location(&done), "code").unwrap();
    assert!(stack.exchange("demo-web", &code).await["id_token"].is_string());
    assert!(stack.is_signed_in(&sso).await && !stack.is_signed_in(&before.cookie).await);
    assert_eq!(sign_in(&stack, OLD).await.0.status(), StatusCode::UNAUTHORIZED);
    assert!(query(&location(&sign_in(&stack, NEW).await.0), "code").is_some());
    stack.stop().await;
}

#[tokio::test]
async fn who_is_not_registered_is_sent_back_without_a_code() {
    let stack = Stack::start().await;
    let before = stack.sign_in().await;
    let application =
        Some(Application { id: "demo-web".to_owned(), registration_required: true, ..Application::default() });
    let update_mask = Some(prost_types::FieldMask { paths: vec!["registration_required".to_owned()] });
    let request = UpdateApplicationRequest { application, update_mask };
    ApplicationServiceClient::new(auth(&stack)).update_application(request).await.unwrap();
    let is_denied = |answer: &Response| query(&location(answer), "error").as_deref() == Some("access_denied");
    // By the SSO session, silently, and with the form.
    assert!(is_denied(&stack.get(&stack.authorize(&[]), &before.cookie).await));
    assert!(is_denied(&stack.get(&stack.authorize(&[("prompt", "none")]), &before.cookie).await));
    assert!(is_denied(&sign_in(&stack, "correct horse battery staple").await.0));
    // Another application does not ask for it.
    assert!(stack.open("front-web", &before.cookie).await["id_token"].is_string());
    let registration =
        CreateRegistrationRequest { user_id: claim(&before.tokens, "sub"), application_id: "demo-web".to_owned() };
    RegistrationServiceClient::new(auth(&stack)).create_registration(registration).await.unwrap();
    assert!(stack.is_signed_in(&before.cookie).await);
    stack.stop().await;
}
