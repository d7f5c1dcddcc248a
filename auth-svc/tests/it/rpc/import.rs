//! `ImportUsers`, and the first sign-in of those who were taken over.

use std::time::Duration;

use proto::auth::v1::{
    ImportUsersRequest, ImportUsersResponse, ImportedUser, ListUsersRequest, LoginRequest, UserState,
};
use tonic::{Code, Status};

use super::on_both;
use crate::support::{
    database::{pool, with_database},
    service::{OPERATOR_KEY, Service, field_of, reason_of},
};

on_both!(
    users_come_with_their_passwords,
    what_is_wrong_with_one_is_no_problem_of_another,
    a_batch_is_bounded_and_of_one_tenant,
);

const PASSWORD: &str = "correct horse";
const BCRYPT: &str = "$2b$04$.MOcGmYOh/UIayMJOfuBWOHC4ZgZO/gadji2YwnMVkE5DwL2ETPwS";
const PBKDF2: &str = "$pbkdf2-sha256$i=1000$c2FsdHNhbHRzYWx0c2FsdA$BBs+1+PaslLtBPULUr8/lQicvVuHiEPMz0i8MjLCbzM";
const SCRYPT: &str = "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$A9lBa6RTbfBovWqamVIqXKovIl4Vk6OZyVojLJmYmSI";
const ARGON2: &str = "$argon2id$v=19$m=1024,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$RMnlO2yJjUzUJ1vqMJdgdgriWoTT+H4XFqGo/gwMfPA";

fn user(login: &str, hash: &str) -> ImportedUser {
    ImportedUser { login: login.to_owned(), password_hash: hash.to_owned(), ..ImportedUser::default() }
}

async fn import(service: &Service, users: Vec<ImportedUser>) -> Result<ImportUsersResponse, Status> {
    let request = ImportUsersRequest { tenant_id: "default".to_owned(), users };
    Ok(service.users(OPERATOR_KEY).import_users(request).await?.into_inner())
}

async fn login(service: &Service, login: &str, password: &str) -> Result<(), Status> {
    let request = LoginRequest {
        tenant_id: "default".to_owned(),
        application_id: "backend".to_owned(),
        login: login.to_owned(),
        password: password.to_owned(),
        ..LoginRequest::default()
    };
    service.auth(OPERATOR_KEY).login(request).await.map(drop)
}

async fn users_come_with_their_passwords(service: &Service) {
    let hashes = [("bcrypt", BCRYPT), ("pbkdf2", PBKDF2), ("scrypt", SCRYPT), ("argon2", ARGON2)];
    let login_of = |name: &str| format!("{name}@example.com");
    let ada = ImportedUser {
        name: "Ada".to_owned(),
        email_verified: true,
        claims: [("locale".to_owned(), "en".to_owned())].into(),
        disabled: true,
        ..user("ada@example.com", BCRYPT)
    };
    let users = hashes.iter().map(|(name, hash)| user(&login_of(name), hash)).chain([ada]).collect();
    let answer = import(service, users).await.unwrap();
    assert!(answer.results.iter().all(|result| result.user_id.starts_with("user_") && result.reason.is_empty()));
    for (name, _) in hashes {
        service.clock.advance(Duration::from_secs(3600));
        let refused = login(service, &login_of(name), "correct horsf").await.unwrap_err();
        assert_eq!(reason_of(&refused), "CREDENTIALS_REFUSED", "{name}");
        login(service, &login_of(name), PASSWORD).await.unwrap();
    }
    let last = &answer.results[4].user_id;
    let request = ListUsersRequest {
        tenant_id: "default".to_owned(),
        login: "ada@example.com".to_owned(),
        ..ListUsersRequest::default()
    };
    let found = service.users(OPERATOR_KEY).list_users(request).await.unwrap().into_inner().users.remove(0);
    assert_eq!((&found.id, found.name.as_str(), found.email_verified), (last, "Ada", true));
    assert_eq!((found.state(), found.claims["locale"].as_str()), (UserState::Disabled, "en"));
    assert!(login(service, "ada@example.com", PASSWORD).await.is_err());
    service.event("user.created", last).await;
}

/// What a hash of ours begins with.
const OURS: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

#[tokio::test(flavor = "multi_thread")]
async fn the_first_sign_in_replaces_the_hash_that_came_along() {
    with_database(|url| async move {
        let service = Service::start(Some(&url), &[]).await;
        let pool = pool(&url).await;
        let stored = async || -> String {
            sqlx::query_scalar(r#"SELECT password_hash FROM "user""#).fetch_one(&pool).await.unwrap()
        };
        for hash in [BCRYPT, PBKDF2, SCRYPT, ARGON2] {
            sqlx::query(r#"DELETE FROM "user""#).execute(&pool).await.unwrap();
            let answer = import(&service, vec![user("ada@example.com", hash)]).await.unwrap();
            assert_eq!(answer.results[0].reason, "");
            assert!(login(&service, "ada@example.com", "correct horsf").await.is_err());
            assert_eq!(stored().await, hash, "whose password was not given");
            login(&service, "ada@example.com", PASSWORD).await.unwrap();
            let renewed = stored().await;
            assert!(renewed.starts_with(OURS), "{hash} became {renewed}");
            // The new one is of the same password, and stays.
            assert!(login(&service, "ada@example.com", "correct horsf").await.is_err());
            login(&service, "ada@example.com", PASSWORD).await.unwrap();
            assert_eq!(stored().await, renewed);
        }
        pool.close().await;
        service.stop().await;
    })
    .await;
}

async fn what_is_wrong_with_one_is_no_problem_of_another(service: &Service) {
    let costly = BCRYPT.replace("$04$", "$31$");
    let users = vec![
        user("nobody", BCRYPT),
        user("a@example.com", BCRYPT),
        user("A@example.com", BCRYPT),
        user("b@example.com", "plain text"),
        user("c@example.com", &costly),
        ImportedUser { name: "x".repeat(129), ..user("d@example.com", BCRYPT) },
        ImportedUser { claims: [("sub".to_owned(), "x".to_owned())].into(), ..user("e@example.com", BCRYPT) },
        user("f@example.com", PBKDF2),
    ];
    let answer = import(service, users.clone()).await.unwrap();
    let seen = |answer: &ImportUsersResponse| {
        let name = |result: &proto::auth::v1::ImportResult| match result.reason.as_str() {
            "INVALID_FIELD" => result.field.clone(),
            other => other.to_owned(),
        };
        answer.results.iter().map(name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(seen(&answer), "login  LOGIN_TAKEN password_hash password_hash name claims ");
    assert!(answer.results[4].message.contains("costs"), "{answer:?}");
    login(service, "a@example.com", PASSWORD).await.unwrap();
    // Again: those that are there are said to be there.
    let again = import(service, users).await.unwrap();
    assert_eq!(seen(&again), "login LOGIN_TAKEN LOGIN_TAKEN password_hash password_hash name claims LOGIN_TAKEN");
}

async fn a_batch_is_bounded_and_of_one_tenant(service: &Service) {
    for users in [vec![], vec![user("a@example.com", BCRYPT); 201]] {
        let refused = import(service, users).await.unwrap_err();
        assert_eq!((refused.code(), field_of(&refused).as_str()), (Code::InvalidArgument, "users"));
    }
    let request = ImportUsersRequest { tenant_id: "nowhere".to_owned(), users: vec![user("a@example.com", BCRYPT)] };
    let refused = service.users(OPERATOR_KEY).import_users(request.clone()).await.unwrap_err();
    assert_eq!(reason_of(&refused), "TENANT_NOT_FOUND");
    let other = service.token_of("other", "other-backend", "other-backend-secret").await.unwrap();
    let refused = service.users(&other).import_users(request).await.unwrap_err();
    assert_eq!(reason_of(&refused), "TENANT_MISMATCH");
}
