//! What a sign-in without a browser comes to, by gRPC and as JSON: the same outcomes by the same policy.

use std::time::Duration;

use proto::{
    auth::v1::{
        Application, ChangePasswordRequest, CreateRegistrationRequest, DeleteRegistrationRequest, DisableUserRequest,
        ListRegistrationsRequest, LoginRequest, SessionMode, SetPasswordRequest, UpdateApplicationRequest,
        UpdateUserRequest, User,
    },
    session::v1::EndReason,
};
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::{
    on_both,
    users::{PASSWORD, created},
};
use crate::support::{
    eventually,
    service::{OPERATOR_KEY, Service, field_of, reason_of},
};

on_both!(
    a_sign_in_as_json_gives_tokens_and_a_session,
    outcomes_are_typed_for_who_has_the_password_and_one_for_everybody_else,
    a_password_that_must_be_changed_is_changed_by_its_user,
    an_application_that_requires_it_lets_in_registered_users_only,
    an_application_with_sessions_of_its_own_gets_none_of_ours,
    who_is_turned_away_while_signing_in_does_not_get_in,
    guesses_are_throttled_and_say_for_how_long,
    only_an_application_with_a_secret_may_ask,
);

const NEW: &str = "a wholly different one";

async fn post(service: &Service, path: &str, secret: &str, body: &Value) -> (u16, Value, Option<u64>) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(15)).build().unwrap();
    let request = client.post(format!("{}{path}", service.running.issuer)).basic_auth("backend", Some(secret));
    let answer = request.json(body).send().await.unwrap();
    let wait = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
    assert_eq!(answer.headers()["cache-control"], "no-store");
    (answer.status().as_u16(), answer.json().await.unwrap(), wait)
}

async fn login(service: &Service, login: &str, password: &str) -> (u16, Value) {
    let body = json!({ "login": login, "password": password });
    let (status, answer, _) = post(service, "/api/login", "backend-secret", &body).await;
    (status, answer)
}

async fn by_grpc(service: &Service, login: &str, password: &str) -> Result<(), Status> {
    let request = LoginRequest {
        tenant_id: "default".to_owned(),
        application_id: "backend".to_owned(),
        login: login.to_owned(),
        password: password.to_owned(),
        ..LoginRequest::default()
    };
    service.auth(OPERATOR_KEY).login(request).await.map(drop)
}

/// The outcome, which must be the reason that gRPC gives; an empty one is a sign-in.
async fn outcome(service: &Service, login_name: &str, password: &str) -> String {
    let (status, answer) = login(service, login_name, password).await;
    let outcome = answer["outcome"].as_str().unwrap().to_owned();
    match by_grpc(service, login_name, password).await {
        Ok(()) => assert_eq!((status, outcome.as_str()), (200, "SIGNED_IN")),
        Err(refused) => {
            assert_eq!(reason_of(&refused), outcome);
            let expected = if refused.code() == Code::Unauthenticated { 401 } else { 403 };
            assert_eq!(status, expected, "{answer}");
        }
    }
    outcome
}

async fn a_sign_in_as_json_gives_tokens_and_a_session(service: &Service) {
    let ada = created(service, "ada@example.com").await;
    let body = json!({
        "login": "Ada@Example.com",
        "password": PASSWORD,
        "scopes": ["openid"],
        "device": { "name": "Phone", "ip_address": "203.0.113.7" },
    });
    let (status, answer, _) = post(service, "/api/login", "backend-secret", &body).await;
    assert_eq!(
        (status, answer["outcome"].as_str(), answer["token_type"].as_str()),
        (200, Some("SIGNED_IN"), Some("Bearer"))
    );
    assert_eq!(answer["session"]["user_id"], ada.id.as_str());
    assert!(answer["session"]["expires_at"].as_i64().unwrap() > 1_700_000_000);
    for token in ["access_token", "refresh_token", "id_token"] {
        assert!(!answer[token].as_str().unwrap().is_empty(), "{token}");
    }
    assert!(service.sessions.is_alive(answer["session"]["id"].as_str().unwrap()));
    let event = service.event("user.login.success", &ada.id).await;
    assert_eq!(event.application_id, "backend");
}

async fn outcomes_are_typed_for_who_has_the_password_and_one_for_everybody_else(service: &Service) {
    let ada = created(service, "ada@example.com").await;
    assert_eq!(outcome(service, "ada@example.com", PASSWORD).await, "SIGNED_IN");
    let wrong = login(service, "ada@example.com", "wrong password").await;
    let unknown = login(service, "nobody@example.com", PASSWORD).await;
    assert_eq!(wrong, (401, json!({ "outcome": "CREDENTIALS_REFUSED" })));
    assert_eq!(wrong, unknown);
    let request = DisableUserRequest { user_id: ada.id.clone() };
    service.users(OPERATOR_KEY).disable_user(request).await.unwrap();
    assert_eq!(outcome(service, "ada@example.com", PASSWORD).await, "USER_DISABLED");
    // Whoever does not have the password does not learn it.
    assert_eq!(login(service, "ada@example.com", "wrong password").await, unknown);
}

async fn a_password_that_must_be_changed_is_changed_by_its_user(service: &Service) {
    let ada = created(service, "ada@example.com").await;
    let (_, before) = login(service, &ada.login, PASSWORD).await;
    let user = User { id: ada.id.clone(), password_change_required: true, ..User::default() };
    let paths = vec!["password_change_required".to_owned()];
    let request = UpdateUserRequest { user: Some(user), update_mask: Some(prost_types::FieldMask { paths }) };
    let updated = service.users(OPERATOR_KEY).update_user(request).await.unwrap().into_inner().user.unwrap();
    assert!(updated.password_change_required);
    // Sessions that are there go on.
    assert!(service.sessions.is_alive(before["session"]["id"].as_str().unwrap()));
    assert_eq!(outcome(service, &ada.login, PASSWORD).await, "PASSWORD_CHANGE_REQUIRED");
    assert_eq!(login(service, &ada.login, "wrong password").await.0, 401);
    let change = async |password: &str, new_password: &str| {
        let body = json!({ "login": ada.login, "password": password, "new_password": new_password });
        let (status, answer, _) = post(service, "/api/password", "backend-secret", &body).await;
        (status, answer["outcome"].as_str().unwrap().to_owned())
    };
    assert_eq!(change("wrong password", NEW).await, (401, "CREDENTIALS_REFUSED".to_owned()));
    for bad in [PASSWORD, "short", "password123", "ada@example.com"] {
        assert_eq!(change(PASSWORD, bad).await, (400, "PASSWORD_REFUSED".to_owned()), "{bad}");
    }
    assert_eq!(change(PASSWORD, NEW).await, (200, "PASSWORD_CHANGED".to_owned()));
    assert!(!service.sessions.is_alive(before["session"]["id"].as_str().unwrap()));
    assert_eq!(service.event("user.password.changed", &ada.id).await.actor, "");
    assert_eq!(outcome(service, &ada.login, NEW).await, "SIGNED_IN");
    assert_eq!(outcome(service, &ada.login, PASSWORD).await, "CREDENTIALS_REFUSED");
    // Set by somebody else, it is for once.
    let request = SetPasswordRequest { user_id: ada.id.clone(), password: PASSWORD.to_owned(), change_required: true };
    service.users(OPERATOR_KEY).set_password(request).await.unwrap();
    assert_eq!(outcome(service, &ada.login, PASSWORD).await, "PASSWORD_CHANGE_REQUIRED");
    let request = ChangePasswordRequest {
        tenant_id: "default".to_owned(),
        login: ada.login.clone(),
        password: PASSWORD.to_owned(),
        new_password: NEW.to_owned(),
        ip_address: "nowhere".to_owned(),
    };
    let mut client = service.auth(OPERATOR_KEY);
    assert_eq!(field_of(&client.change_password(request.clone()).await.unwrap_err()), "ip_address");
    let request = ChangePasswordRequest { ip_address: "203.0.113.7".to_owned(), ..request };
    client.change_password(request.clone()).await.unwrap();
    assert_eq!(reason_of(&client.change_password(request).await.unwrap_err()), "CREDENTIALS_REFUSED");
    assert_eq!(outcome(service, &ada.login, NEW).await, "SIGNED_IN");
}

async fn require_registration(service: &Service) {
    let application =
        Some(Application { id: "backend".to_owned(), registration_required: true, ..Application::default() });
    let update_mask = Some(prost_types::FieldMask { paths: vec!["registration_required".to_owned()] });
    let request = UpdateApplicationRequest { application, update_mask };
    let updated = service.applications(OPERATOR_KEY).update_application(request).await.unwrap().into_inner();
    assert!(updated.application.unwrap().registration_required);
}

async fn an_application_with_sessions_of_its_own_gets_none_of_ours(service: &Service) {
    let ada = created(service, "ada@example.com").await;
    let session_mode = SessionMode::ApplicationManaged.into();
    let application = Some(Application { id: "backend".to_owned(), session_mode, ..Application::default() });
    let update_mask = Some(prost_types::FieldMask { paths: vec!["session_mode".to_owned()] });
    let request = UpdateApplicationRequest { application, update_mask };
    service.applications(OPERATOR_KEY).update_application(request).await.unwrap();
    // Whatever the password, which is not even looked at.
    for password in [PASSWORD, "wrong password"] {
        assert_eq!(outcome(service, &ada.login, password).await, "APPLICATION_MANAGED");
    }
    assert!(service.sessions.of_user(&ada.id).is_none());
}

/// What becomes of a user who is turned away after the session was opened, and before the sign-in is answered.
async fn turned_away(service: &Service, user: &User, turn_away: impl AsyncFnOnce()) -> (String, EndReason) {
    service.sessions.hold_creations(true);
    let signing_in = by_grpc(service, &user.login, PASSWORD);
    let turning_away = async {
        let opened = eventually("a session is there", async || service.sessions.of_user(&user.id)).await;
        turn_away().await;
        service.sessions.hold_creations(false);
        opened.id
    };
    let (refused, opened) = futures::join!(signing_in, turning_away);
    (reason_of(&refused.unwrap_err()), service.sessions.revoked(&opened).unwrap())
}

async fn who_is_turned_away_while_signing_in_does_not_get_in(service: &Service) {
    require_registration(service).await;
    let (ada, grace) = (created(service, "ada@example.com").await, created(service, "grace@example.com").await);
    for user in [&ada, &grace] {
        let request = CreateRegistrationRequest { user_id: user.id.clone(), application_id: "backend".to_owned() };
        service.registrations(OPERATOR_KEY).create_registration(request).await.unwrap();
    }
    let disable = async || {
        let request = DisableUserRequest { user_id: ada.id.clone() };
        service.users(OPERATOR_KEY).disable_user(request).await.unwrap();
    };
    assert_eq!(turned_away(service, &ada, disable).await, ("CREDENTIALS_REFUSED".to_owned(), EndReason::Policy));
    let deregister = async || {
        let request = DeleteRegistrationRequest { user_id: grace.id.clone(), application_id: "backend".to_owned() };
        service.registrations(OPERATOR_KEY).delete_registration(request).await.unwrap();
    };
    assert_eq!(turned_away(service, &grace, deregister).await, ("NOT_REGISTERED".to_owned(), EndReason::Policy));
}

async fn an_application_that_requires_it_lets_in_registered_users_only(service: &Service) {
    let ada = created(service, "ada@example.com").await;
    let mut client = service.registrations(OPERATOR_KEY);
    let create = |user: &str, application: &str| CreateRegistrationRequest {
        user_id: user.to_owned(),
        application_id: application.to_owned(),
    };
    require_registration(service).await;
    assert_eq!(outcome(service, &ada.login, PASSWORD).await, "NOT_REGISTERED");
    let failed = service.event("user.login.failed", &ada.id).await;
    assert!(format!("{:?}", failed.data).contains("NOT_REGISTERED"), "{failed:?}");
    let registered = client.create_registration(create(&ada.id, "backend")).await.unwrap().into_inner().registration;
    let again = client.create_registration(create(&ada.id, "backend")).await.unwrap().into_inner().registration;
    assert_eq!(registered, again);
    let list = ListRegistrationsRequest { user_id: ada.id.clone(), ..ListRegistrationsRequest::default() };
    let listed = client.list_registrations(list).await.unwrap().into_inner().registrations;
    assert_eq!(listed, Vec::from_iter(registered));
    assert_eq!(outcome(service, &ada.login, PASSWORD).await, "SIGNED_IN");
    let (_, signed_in) = login(service, &ada.login, PASSWORD).await;
    let delete = DeleteRegistrationRequest { user_id: ada.id.clone(), application_id: "backend".to_owned() };
    client.delete_registration(delete.clone()).await.unwrap();
    assert!(!service.sessions.is_alive(signed_in["session"]["id"].as_str().unwrap()));
    assert_eq!(reason_of(&client.delete_registration(delete).await.unwrap_err()), "REGISTRATION_NOT_FOUND");
    assert_eq!(outcome(service, &ada.login, PASSWORD).await, "NOT_REGISTERED");
    // Of another tenant, or not there at all.
    let foreign = client.create_registration(create(&ada.id, "other-backend")).await.unwrap_err();
    let missing = client.create_registration(create(&ada.id, "none")).await.unwrap_err();
    assert_eq!(
        (reason_of(&foreign), reason_of(&missing)),
        ("APPLICATION_NOT_FOUND".into(), "APPLICATION_NOT_FOUND".into())
    );
}

async fn guesses_are_throttled_and_say_for_how_long(service: &Service) {
    created(service, "ada@example.com").await;
    let body = json!({ "login": "ada@example.com", "password": "wrong password" });
    for _ in 0..5 {
        assert_eq!(post(service, "/api/login", "backend-secret", &body).await.0, 401);
    }
    let right = json!({ "login": "ada@example.com", "password": PASSWORD });
    let (status, answer, wait) = post(service, "/api/login", "backend-secret", &right).await;
    assert_eq!((status, answer["outcome"].as_str(), wait), (429, Some("THROTTLED"), Some(1)));
    let change = json!({ "login": "ada@example.com", "password": PASSWORD, "new_password": NEW });
    assert_eq!(post(service, "/api/password", "backend-secret", &change).await.0, 429);
}

async fn only_an_application_with_a_secret_may_ask(service: &Service) {
    created(service, "ada@example.com").await;
    let body = json!({ "login": "ada@example.com", "password": PASSWORD });
    assert_eq!(post(service, "/api/login", "another-secret", &body).await.0, 401);
    let client = reqwest::Client::builder().timeout(Duration::from_secs(15)).build().unwrap();
    let url = format!("{}/api/login", service.running.issuer);
    assert_eq!(client.post(&url).json(&body).send().await.unwrap().status(), 401);
    let form = client.post(&url).basic_auth("backend", Some("backend-secret")).form(&[("login", "ada@example.com")]);
    assert_eq!(form.send().await.unwrap().status(), 415);
    let other = format!("{}/t/other/api/login", service.running.issuer);
    let foreign = client.post(other).basic_auth("backend", Some("backend-secret")).json(&body);
    assert_eq!(foreign.send().await.unwrap().status(), 401);
    for bad in [
        json!([]),
        json!({ "login": "ada@example.com" }),
        json!({ "login": "ada@example.com", "password": 7 }),
        json!({ "login": "ada@example.com", "password": PASSWORD, "tenant": "default" }),
        json!({ "login": "ada", "password": PASSWORD }),
        json!({ "login": "ada@example.com", "password": "" }),
        json!({ "login": "a\u{0}@example.com", "password": PASSWORD }),
    ] {
        let (status, answer, _) = post(service, "/api/login", "backend-secret", &bad).await;
        assert_eq!(status, 400, "{bad}: {answer}");
        assert!(!answer["message"].as_str().unwrap().is_empty(), "{answer}");
    }
}
