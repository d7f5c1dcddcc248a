//! `UserService`, and what it means for sessions.

use proto::{
    auth::v1::{
        CreateUserRequest, DeleteUserRequest, DisableUserRequest, EnableUserRequest, GetUserRequest, ListUsersRequest,
        LoginRequest, LoginResponse, SetPasswordRequest, UpdateUserRequest, User, UserState,
    },
    session::v1::{Device, EndReason},
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::on_both;
use crate::support::{
    eventually,
    service::{OPERATOR_KEY, Service, field_of, reason_of},
};

on_both!(
    a_user_is_created_read_and_listed,
    what_cannot_be_is_refused_by_field,
    users_of_other_tenants_do_not_exist,
    a_disabled_user_cannot_sign_in_until_enabled,
    a_new_password_ends_every_session,
    sessions_end_as_soon_as_session_svc_is_back,
    an_order_that_is_refused_holds_up_no_other,
    what_is_known_of_a_user_is_changed,
    a_deleted_user_is_gone_and_signed_out,
    guesses_have_to_wait_and_others_do_not,
);

pub const PASSWORD: &str = "a rather long password";

fn new(login: &str) -> CreateUserRequest {
    CreateUserRequest {
        tenant_id: "default".to_owned(),
        login: login.to_owned(),
        name: "Ada".to_owned(),
        password: PASSWORD.to_owned(),
    }
}

/// Makes a user of the default tenant.
pub async fn created(service: &Service, login: &str) -> User {
    service.users(OPERATOR_KEY).create_user(new(login)).await.unwrap().into_inner().user.unwrap()
}

async fn login(service: &Service, login: &str, password: &str) -> Result<LoginResponse, Status> {
    let request = LoginRequest {
        tenant_id: "default".to_owned(),
        application_id: "backend".to_owned(),
        login: login.to_owned(),
        password: password.to_owned(),
        ..LoginRequest::default()
    };
    Ok(service.auth(OPERATOR_KEY).login(request).await?.into_inner())
}

async fn a_user_is_created_read_and_listed(service: &Service) {
    let ada = created(service, " Ada@Example.com ").await;
    assert_eq!((ada.login.as_str(), ada.state()), ("ada@example.com", UserState::Active));
    service.event("user.created", &ada.id).await;
    let mut client = service.users(OPERATOR_KEY);
    let refused = client.create_user(new("ada@example.com")).await.unwrap_err();
    assert_eq!((refused.code(), reason_of(&refused).as_str()), (Code::AlreadyExists, "LOGIN_TAKEN"));
    let found = client.get_user(GetUserRequest { user_id: ada.id.clone() }).await.unwrap().into_inner().user.unwrap();
    assert_eq!(found, ada);
    let grace = created(service, "grace@example.com").await;
    let mut list = async |login: &str, page_size, page_token: String| {
        let request =
            ListUsersRequest { tenant_id: "default".to_owned(), login: login.to_owned(), page_size, page_token };
        client.list_users(request).await.unwrap().into_inner()
    };
    assert_eq!(list("Grace@example.com", 0, String::new()).await.users, std::slice::from_ref(&grace));
    let first = list("", 1, String::new()).await;
    let second = list("", 1, first.next_page_token).await;
    let mut both = vec![ada, grace];
    both.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!([first.users, second.users].concat(), both);
    assert_eq!(second.next_page_token, "");
}

async fn what_cannot_be_is_refused_by_field(service: &Service) {
    let mut client = service.users(OPERATOR_KEY);
    let cases = [
        ("tenant_id", CreateUserRequest { tenant_id: String::new(), ..new("x@example.com") }),
        ("login", new("")),
        ("login", new("nobody")),
        ("login", new(&format!("{}@example.com", "a".repeat(320)))),
        ("name", CreateUserRequest { name: "x".repeat(129), ..new("x@example.com") }),
        ("password", CreateUserRequest { password: "short".to_owned(), ..new("x@example.com") }),
        ("password", CreateUserRequest { password: "Password123".to_owned(), ..new("x@example.com") }),
        ("password", CreateUserRequest { password: "p".repeat(1025), ..new("x@example.com") }),
        ("password", CreateUserRequest { password: "long@example.com".to_owned(), ..new("long@example.com") }),
    ];
    for (field, request) in cases {
        let refused = client.create_user(request).await.unwrap_err();
        assert_eq!((refused.code(), field_of(&refused).as_str()), (Code::InvalidArgument, field));
    }
    let elsewhere = CreateUserRequest { tenant_id: "nowhere".to_owned(), ..new("x@example.com") };
    assert_eq!(reason_of(&client.create_user(elsewhere).await.unwrap_err()), "TENANT_NOT_FOUND");
    let refused = client.get_user(GetUserRequest { user_id: "ada".to_owned() }).await.unwrap_err();
    assert_eq!(field_of(&refused), "user_id");
    let page = ListUsersRequest {
        tenant_id: "default".to_owned(),
        page_token: "forged".to_owned(),
        ..ListUsersRequest::default()
    };
    assert_eq!(client.list_users(page).await.unwrap_err().code(), Code::InvalidArgument);
}

fn update(user: User, paths: &[&str]) -> UpdateUserRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    UpdateUserRequest { user: Some(user), update_mask: Some(prost_types::FieldMask { paths }) }
}

async fn users_of_other_tenants_do_not_exist(service: &Service) {
    let ada = created(service, "ada@example.com").await;
    let other = service.token_of("other", "other-backend", "other-backend-secret").await.unwrap();
    let mut client = service.users(&other);
    let user_id = || ada.id.clone();
    let password = "another long password".to_owned();
    let refusals = [
        client.get_user(GetUserRequest { user_id: user_id() }).await.map(drop),
        client.disable_user(DisableUserRequest { user_id: user_id() }).await.map(drop),
        client.enable_user(EnableUserRequest { user_id: user_id() }).await.map(drop),
        client
            .set_password(SetPasswordRequest { user_id: user_id(), password, change_required: false })
            .await
            .map(drop),
        client.delete_user(DeleteUserRequest { user_id: user_id() }).await.map(drop),
        client.update_user(update(User { name: "Mine".to_owned(), ..ada.clone() }, &["name"])).await.map(drop),
    ];
    for refused in refusals {
        assert_eq!(reason_of(&refused.unwrap_err()), "USER_NOT_FOUND");
    }
    assert_eq!(reason_of(&client.create_user(new("x@example.com")).await.unwrap_err()), "TENANT_MISMATCH");
    login(service, "ada@example.com", PASSWORD).await.unwrap();
}

async fn a_disabled_user_cannot_sign_in_until_enabled(service: &Service) {
    let ada = created(service, "ada@example.com").await;
    let session = login(service, "ada@example.com", PASSWORD).await.unwrap().session.unwrap().id;
    let mut client = service.users(OPERATOR_KEY);
    let user_id = || ada.id.clone();
    let disabled = client.disable_user(DisableUserRequest { user_id: user_id() }).await.unwrap().into_inner();
    assert_eq!(disabled.user.unwrap().state(), UserState::Disabled);
    assert!(!service.sessions.is_alive(&session));
    service.event("user.disabled", &ada.id).await;
    let refused = login(service, "ada@example.com", PASSWORD).await.unwrap_err();
    let wrong = login(service, "ada@example.com", "wrong password").await.unwrap_err();
    let unknown = login(service, "nobody@example.com", PASSWORD).await.unwrap_err();
    let seen = |status: &Status| (status.code(), status.message().to_owned(), reason_of(status));
    assert_eq!(seen(&wrong), seen(&unknown));
    assert_eq!(reason_of(&wrong), "CREDENTIALS_REFUSED");
    // Told to whoever has the password, and to nobody else.
    assert_eq!(reason_of(&refused), "USER_DISABLED");
    // Again is no other outcome, and no other order.
    client.disable_user(DisableUserRequest { user_id: user_id() }).await.unwrap();
    assert_eq!(service.sessions.ended().len(), 1);
    client.enable_user(EnableUserRequest { user_id: user_id() }).await.unwrap();
    service.event("user.enabled", &ada.id).await;
    login(service, "ada@example.com", PASSWORD).await.unwrap();
}

async fn set_password(service: &Service, user: &User, password: &str) -> Result<(), Status> {
    let request =
        SetPasswordRequest { user_id: user.id.clone(), password: password.to_owned(), change_required: false };
    service.users(OPERATOR_KEY).set_password(request).await.map(drop)
}

async fn a_new_password_ends_every_session(service: &Service) {
    let ada = created(service, "ada@example.com").await;
    let grace = created(service, "grace@example.com").await;
    let session = login(service, &ada.login, PASSWORD).await.unwrap().session.unwrap().id;
    let of_another = login(service, &grace.login, PASSWORD).await.unwrap().session.unwrap().id;
    for refused in ["short", "password123"] {
        assert_eq!(reason_of(&set_password(service, &ada, refused).await.unwrap_err()), "PASSWORD_REFUSED");
    }
    assert!(service.sessions.is_alive(&session));
    set_password(service, &ada, "another long password").await.unwrap();
    assert!(!service.sessions.is_alive(&session) && service.sessions.is_alive(&of_another));
    assert_eq!(service.sessions.ended().pop().unwrap().1, EndReason::CredentialChange);
    service.event("user.password.changed", &ada.id).await;
    assert!(login(service, &ada.login, PASSWORD).await.is_err());
    login(service, &ada.login, "another long password").await.unwrap();
}

async fn sessions_end_as_soon_as_session_svc_is_back(service: &Service) {
    let ada = created(service, "ada@example.com").await;
    let grace = created(service, "grace@example.com").await;
    let mut sessions = Vec::new();
    for user in [&ada, &grace] {
        sessions.push(login(service, &user.login, PASSWORD).await.unwrap().session.unwrap().id);
    }
    service.sessions.be_away(true);
    service.users(OPERATOR_KEY).disable_user(DisableUserRequest { user_id: ada.id.clone() }).await.unwrap();
    set_password(service, &grace, "another long password").await.unwrap();
    let refused = login(service, &grace.login, "another long password").await.unwrap_err();
    assert_eq!((refused.code(), reason_of(&refused).as_str()), (Code::Unavailable, "SESSIONS_UNAVAILABLE"));
    assert!(sessions.iter().all(|session| service.sessions.is_alive(session)));
    service.sessions.be_away(false);
    let all_ended = async || sessions.iter().all(|session| !service.sessions.is_alive(session)).then_some(());
    eventually("the sessions end", all_ended).await;
    login(service, &grace.login, "another long password").await.unwrap();
}

async fn an_order_that_is_refused_holds_up_no_other(service: &Service) {
    let ada = created(service, "ada@example.com").await;
    let grace = created(service, "grace@example.com").await;
    service.sessions.refuse_to_end(&ada.id);
    let session = login(service, &grace.login, PASSWORD).await.unwrap().session.unwrap().id;
    for user in [&ada, &grace] {
        let request = DisableUserRequest { user_id: user.id.clone() };
        service.users(OPERATOR_KEY).disable_user(request).await.unwrap();
    }
    assert!(!service.sessions.is_alive(&session));
    assert!(login(service, &ada.login, PASSWORD).await.is_err());
}

async fn what_is_known_of_a_user_is_changed(service: &Service) {
    let ada = created(service, "ada@example.com").await;
    created(service, "grace@example.com").await;
    let mut client = service.users(OPERATOR_KEY);
    let claims = [("given_name", "Ada"), ("locale", "en-GB")];
    let new = User {
        login: "Countess@example.com".to_owned(),
        name: "Countess".to_owned(),
        claims: claims.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        email_verified: true,
        ..ada.clone()
    };
    service.clock.advance(std::time::Duration::from_secs(5));
    let request = update(new.clone(), &["login", "name", "claims", "email_verified"]);
    let changed = client.update_user(request).await.unwrap().into_inner().user.unwrap();
    let expected = User { login: "countess@example.com".to_owned(), updated_at: changed.updated_at, ..new.clone() };
    assert_eq!(changed, expected);
    assert!(changed.updated_at != ada.updated_at);
    assert_eq!(service.event("user.updated", &ada.id).await.actor, "operator:dev");
    assert!(login(service, "ada@example.com", PASSWORD).await.is_err());
    login(service, "countess@example.com", PASSWORD).await.unwrap();
    let taken = User { login: "grace@example.com".to_owned(), ..new.clone() };
    assert_eq!(reason_of(&client.update_user(update(taken, &["login"])).await.unwrap_err()), "LOGIN_TAKEN");
    let with_claim = |name: &str, value: String| User { claims: [(name.to_owned(), value)].into(), ..new.clone() };
    let cases = [
        ("user_id", "name", User { id: "ada".to_owned(), ..new.clone() }),
        ("user.login", "login", User { login: "ada".to_owned(), ..new.clone() }),
        ("user.name", "name", User { name: "x".repeat(129), ..new.clone() }),
        ("user.claims", "claims", with_claim("sub", "x".to_owned())),
        ("user.claims", "claims", with_claim("locale", "x".repeat(513))),
        ("user.claims", "claims", with_claim("locale", "a\nb".to_owned())),
        ("update_mask", "state", new.clone()),
    ];
    for (field, path, user) in cases {
        let refused = client.update_user(update(user, &[path])).await.unwrap_err();
        assert_eq!((refused.code(), field_of(&refused).as_str()), (Code::InvalidArgument, field));
    }
    assert_eq!(field_of(&client.update_user(update(new, &[])).await.unwrap_err()), "update_mask");
}

async fn a_deleted_user_is_gone_and_signed_out(service: &Service) {
    let ada = created(service, "ada@example.com").await;
    let session = login(service, &ada.login, PASSWORD).await.unwrap().session.unwrap().id;
    let mut client = service.users(OPERATOR_KEY);
    let delete = || DeleteUserRequest { user_id: ada.id.clone() };
    client.delete_user(delete()).await.unwrap();
    assert!(!service.sessions.is_alive(&session));
    assert_eq!(service.sessions.ended().pop().unwrap().1, EndReason::AccountDisabled);
    service.event("user.deleted", &ada.id).await;
    assert_eq!(reason_of(&client.delete_user(delete()).await.unwrap_err()), "USER_NOT_FOUND");
    assert_eq!(reason_of(&login(service, &ada.login, PASSWORD).await.unwrap_err()), "CREDENTIALS_REFUSED");
    assert_ne!(created(service, &ada.login).await.id, ada.id);
}

async fn guesses_have_to_wait_and_others_do_not(service: &Service) {
    let ada = created(service, "ada@example.com").await;
    let attempt = async |login: &str, password: &str, address: &str| {
        let device = Device { ip_address: address.to_owned(), ..Device::default() };
        let request = LoginRequest {
            tenant_id: "default".to_owned(),
            application_id: "backend".to_owned(),
            login: login.to_owned(),
            password: password.to_owned(),
            device: Some(device),
            ..LoginRequest::default()
        };
        service.auth(OPERATOR_KEY).login(request).await.map(drop)
    };
    let (here, elsewhere) = ("192.0.2.7", "198.51.100.7");
    // Somebody and nobody are told the same, attempt by attempt.
    for login in [ada.login.as_str(), "nobody@example.com"] {
        for _ in 0..5 {
            assert_eq!(reason_of(&attempt(login, "wrong password", here).await.unwrap_err()), "CREDENTIALS_REFUSED");
        }
        for password in ["wrong password", PASSWORD] {
            let refused = attempt(login, password, here).await.unwrap_err();
            assert_eq!((refused.code(), reason_of(&refused).as_str()), (Code::ResourceExhausted, "THROTTLED"));
            let wait = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
            assert_eq!(wait.as_secs(), 1, "{login}");
        }
    }
    attempt(&ada.login, PASSWORD, elsewhere).await.unwrap();
    service.clock.advance(std::time::Duration::from_secs(1));
    attempt(&ada.login, PASSWORD, here).await.unwrap();
    assert_eq!(reason_of(&attempt(&ada.login, "wrong", here).await.unwrap_err()), "CREDENTIALS_REFUSED");
}
