//! `ApplicationService`.

use std::time::Duration;

use proto::auth::v1::{
    Application, ClientAuthentication, ClientType, CreateApplicationRequest, CreateApplicationResponse,
    DeleteApplicationRequest, GetApplicationRequest, ListApplicationsRequest, LoginRequest, LogoutReach,
    PkceRequirement, RefreshRequest, RotateClientSecretRequest, SigningAlgorithm, UpdateApplicationRequest,
};
use proto::{event::v1::event::Data, session::v1::EndReason};
use tonic::{Code, Status};

use super::{on_both, users::created as new_user};
use crate::support::service::{OPERATOR_KEY, Service, field_of, reason_of};

on_both!(
    an_application_is_created_read_listed_changed_and_deleted,
    a_secret_is_rotated_with_an_overlap,
    what_cannot_be_is_refused_by_field,
    keys_are_given_or_published_where_we_may_read_them,
    applications_of_other_tenants_do_not_exist,
    deleting_an_application_ends_its_sessions,
    nobody_gives_an_application_what_they_do_not_have,
);

const JWKS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"eA","y":"eQ"}]}"#;

fn shop() -> Application {
    Application {
        id: "shop".to_owned(),
        tenant_id: "default".to_owned(),
        name: "Shop".to_owned(),
        client_type: ClientType::Confidential.into(),
        redirect_uris: vec!["https://shop.example/cb".to_owned()],
        frontchannel_logout_uri: "https://shop.example/out".to_owned(),
        backchannel_logout_uri: "https://shop.example/bye".to_owned(),
        backchannel_logout_session_required: true,
        jwks: JWKS.to_owned(),
        consent_required: true,
        cors_origins: vec!["https://shop.example".to_owned()],
        allowed_resources: vec!["https://api.shop.example/".to_owned()],
        ..Application::default()
    }
}

async fn create(service: &Service, application: Application) -> Result<CreateApplicationResponse, Status> {
    let request = CreateApplicationRequest { application: Some(application) };
    Ok(service.applications(OPERATOR_KEY).create_application(request).await?.into_inner())
}

async fn get(service: &Service, id: &str) -> Result<Application, Status> {
    let request = GetApplicationRequest { application_id: id.to_owned() };
    Ok(service.applications(OPERATOR_KEY).get_application(request).await?.into_inner().application.unwrap())
}

fn update(application: Application, paths: &[&str]) -> UpdateApplicationRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let update_mask = Some(prost_types::FieldMask { paths });
    UpdateApplicationRequest { application: Some(application), update_mask }
}

async fn an_application_is_created_read_listed_changed_and_deleted(service: &Service) {
    let created = create(service, shop()).await.unwrap();
    assert!(created.client_secret.len() >= 43);
    let made = created.application.unwrap();
    let expected = Application {
        session_mode: 1,
        client_authentication: ClientAuthentication::ClientSecret.into(),
        pkce: PkceRequirement::Required.into(),
        logout_reach: LogoutReach::Own.into(),
        signing_algorithm: SigningAlgorithm::Rs256.into(),
        ..shop()
    };
    assert_eq!(made, expected);
    assert_eq!(get(service, "shop").await.unwrap(), expected);
    assert_eq!(reason_of(&create(service, shop()).await.unwrap_err()), "APPLICATION_EXISTS");
    service.event("application.created", "shop").await;

    let new = Application {
        id: "shop".to_owned(),
        name: "Better".to_owned(),
        pkce: PkceRequirement::Optional.into(),
        logout_reach: LogoutReach::Listed.into(),
        logout_application_ids: vec!["other".to_owned()],
        pushed_requests_required: true,
        dpop_required: true,
        userinfo_signed: true,
        device_grant: true,
        signing_algorithm: SigningAlgorithm::Eddsa.into(),
        ..Application::default()
    };
    let mut client = service.applications(OPERATOR_KEY);
    let fields = [
        "name",
        "pkce",
        "cors_origins",
        "logout_reach",
        "logout_application_ids",
        "pushed_requests_required",
        "dpop_required",
        "userinfo_signed",
        "device_grant",
        "signing_algorithm",
    ];
    let changed = client.update_application(update(new, &fields)).await.unwrap().into_inner().application.unwrap();
    let expected = Application {
        name: "Better".to_owned(),
        pkce: PkceRequirement::Optional.into(),
        cors_origins: vec![],
        logout_reach: LogoutReach::Listed.into(),
        logout_application_ids: vec!["other".to_owned()],
        pushed_requests_required: true,
        dpop_required: true,
        userinfo_signed: true,
        device_grant: true,
        signing_algorithm: SigningAlgorithm::Eddsa.into(),
        ..expected
    };
    assert_eq!(changed, expected);
    assert_eq!(get(service, "shop").await.unwrap(), expected);
    let told = service.event("application.updated", "shop").await;
    assert_eq!((told.tenant_id.as_str(), told.actor.as_str()), ("default", "operator:dev"));
    assert!(matches!(told.data, Some(Data::ApplicationUpdated(data)) if data.changed_fields == fields));

    let mut ids = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListApplicationsRequest { tenant_id: "default".to_owned(), page_size: 1, page_token };
        let page = client.list_applications(request).await.unwrap().into_inner();
        ids.extend(page.applications.into_iter().map(|application| application.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(ids, ["backend", "shop"]);

    let delete = || DeleteApplicationRequest { application_id: "shop".to_owned() };
    client.delete_application(delete()).await.unwrap();
    service.event("application.deleted", "shop").await;
    assert_eq!(reason_of(&client.delete_application(delete()).await.unwrap_err()), "APPLICATION_NOT_FOUND");
    assert_eq!(reason_of(&get(service, "shop").await.unwrap_err()), "APPLICATION_NOT_FOUND");
}

async fn a_secret_is_rotated_with_an_overlap(service: &Service) {
    let application = Application { service_scopes: vec!["sessions.read".to_owned()], ..shop() };
    let first = create(service, application).await.unwrap().client_secret;
    let mut client = service.applications(OPERATOR_KEY);
    let mut rotate = async |seconds: Option<i64>| {
        let overlap = seconds.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
        let request = RotateClientSecretRequest { application_id: "shop".to_owned(), overlap };
        client.rotate_client_secret(request).await.map(|answer| answer.into_inner().client_secret)
    };
    let works = async |secret: &str| service.token_of("default", "shop", secret).await;
    let second = rotate(Some(60)).await.unwrap();
    assert!(works(&first).await.is_ok() && works(&second).await.is_ok());
    assert!(get(service, "shop").await.unwrap().old_secret_expires_at.is_some());
    service.clock.advance(Duration::from_secs(60));
    assert_eq!(works(&first).await, Err(401));
    assert!(works(&second).await.is_ok());
    // The second rotation in a row leaves the last two good, never three.
    let third = rotate(None).await.unwrap();
    let fourth = rotate(None).await.unwrap();
    assert_eq!(works(&second).await, Err(401));
    assert!(works(&third).await.is_ok() && works(&fourth).await.is_ok());
    let fifth = rotate(Some(0)).await.unwrap();
    assert_eq!(works(&fourth).await, Err(401));
    assert!(works(&fifth).await.is_ok());
    for seconds in [-1, 30 * 24 * 3600 + 1, i64::MAX, i64::MIN] {
        assert_eq!(field_of(&rotate(Some(seconds)).await.unwrap_err()), "overlap");
    }
    for application in [
        Application { id: "spa".to_owned(), client_type: ClientType::Public.into(), ..shop() },
        Application {
            id: "signer".to_owned(),
            client_authentication: ClientAuthentication::PrivateKeyJwt.into(),
            ..shop()
        },
    ] {
        let application_id = application.id.clone();
        assert_eq!(create(service, application).await.unwrap().client_secret, "");
        let request = RotateClientSecretRequest { application_id, overlap: None };
        let refused = client.rotate_client_secret(request).await.unwrap_err();
        assert_eq!((refused.code(), reason_of(&refused).as_str()), (Code::FailedPrecondition, "NO_SECRET"));
    }
}

/// A valid application with one wrong field, and the name of that.
fn wrong() -> Vec<(&'static str, Application)> {
    let many = |value: &str| vec![value.to_owned(); 33];
    let bad = "http://shop.example/cb".to_owned();
    vec![
        ("id", Application { id: String::new(), ..shop() }),
        ("id", Application { id: "user_x".to_owned(), ..shop() }),
        ("tenant_id", Application { tenant_id: "a b".to_owned(), ..shop() }),
        ("name", Application { name: "x".repeat(129), ..shop() }),
        ("name", Application { name: "a\nb".to_owned(), ..shop() }),
        ("client_type", Application { client_type: 0, ..shop() }),
        ("client_authentication", Application { client_authentication: 1, ..shop() }),
        ("client_authentication", Application { client_authentication: 9, ..shop() }),
        ("client_authentication", Application { client_type: 2, client_authentication: 3, ..shop() }),
        ("session_mode", Application { session_mode: 9, ..shop() }),
        ("redirect_uris", Application { redirect_uris: vec![bad.clone()], ..shop() }),
        ("redirect_uris", Application { redirect_uris: many("https://a.example/"), ..shop() }),
        ("post_logout_redirect_uris", Application { post_logout_redirect_uris: vec![bad.clone()], ..shop() }),
        ("service_scopes", Application { service_scopes: vec!["a b".to_owned()], ..shop() }),
        ("service_scopes", Application { service_scopes: many("a"), client_type: 1, ..shop() }),
        ("service_scopes", Application { service_scopes: vec!["a".to_owned()], client_type: 2, ..shop() }),
        ("frontchannel_logout_uri", Application { frontchannel_logout_uri: bad.clone(), ..shop() }),
        ("frontchannel_logout_uri", Application { frontchannel_logout_uri: "https://b.example/".to_owned(), ..shop() }),
        ("backchannel_logout_uri", Application { backchannel_logout_uri: bad, ..shop() }),
        ("redirect_uris", Application { redirect_uris: vec!["com.example.app:/cb".to_owned()], ..shop() }),
        ("jwks", Application { jwks: "{}".to_owned(), ..shop() }),
        ("jwks", Application { jwks: String::new(), client_authentication: 3, ..shop() }),
        ("jwks_uri", Application { jwks_uri: "https://shop.example/jwks".to_owned(), ..shop() }),
        ("jwks_uri", Application { jwks_uri: "http://shop.example/".to_owned(), jwks: String::new(), ..shop() }),
        ("pkce", Application { pkce: 9, ..shop() }),
        ("pkce", Application { pkce: 2, client_type: 2, ..shop() }),
        ("cors_origins", Application { cors_origins: vec!["https://a.example/".to_owned()], ..shop() }),
        ("signing_algorithm", Application { signing_algorithm: 9, ..shop() }),
        ("logout_reach", Application { logout_reach: 9, ..shop() }),
        ("logout_reach", Application { logout_reach: 2, ..shop() }),
        ("logout_application_ids", Application { logout_application_ids: vec!["other".to_owned()], ..shop() }),
        ("allowed_resources", Application { allowed_resources: vec!["api".to_owned()], ..shop() }),
    ]
}

async fn what_cannot_be_is_refused_by_field(service: &Service) {
    for (field, application) in wrong() {
        let refused = create(service, application).await.unwrap_err();
        assert_eq!((refused.code(), field_of(&refused)), (Code::InvalidArgument, format!("application.{field}")));
    }
    let elsewhere = Application { tenant_id: "nowhere".to_owned(), ..shop() };
    assert_eq!(reason_of(&create(service, elsewhere).await.unwrap_err()), "TENANT_NOT_FOUND");
    create(service, shop()).await.unwrap();
    let mut client = service.applications(OPERATOR_KEY);
    for (field, application) in wrong() {
        if ["id", "tenant_id", "client_type", "client_authentication"].contains(&field) {
            let refused = client.update_application(update(shop(), &[field])).await.unwrap_err();
            assert_eq!(field_of(&refused), "update_mask", "{field}");
            continue;
        }
        // What only a public application may not have.
        if application.client_type == 2 || application.client_authentication == 3 {
            continue;
        }
        let refused = client.update_application(update(application, &[field])).await.unwrap_err();
        assert_eq!(field_of(&refused), format!("application.{field}"));
    }
    for paths in [&[][..], &["none"], &["name", "none"]] {
        let refused = client.update_application(update(shop(), paths)).await.unwrap_err();
        assert_eq!(field_of(&refused), "update_mask");
    }
    assert_eq!(get(service, "shop").await.unwrap().name, "Shop");
}

async fn keys_are_given_or_published_where_we_may_read_them(service: &Service) {
    let published = |uri: &str| Application {
        jwks: String::new(),
        jwks_uri: uri.to_owned(),
        client_authentication: ClientAuthentication::PrivateKeyJwt.into(),
        ..shop()
    };
    for inside in ["https://10.0.0.1/jwks", "https://169.254.169.254/", "https://[::ffff:10.0.0.1]/"] {
        let refused = create(service, published(inside)).await.unwrap_err();
        assert_eq!((refused.code(), reason_of(&refused).as_str()), (Code::InvalidArgument, "JWKS_URI_REFUSED"));
        assert_eq!(field_of(&refused), "application.jwks_uri");
    }
    let made = create(service, published("https://shop.example/jwks")).await.unwrap();
    assert!(made.client_secret.is_empty());
    assert_eq!(get(service, "shop").await.unwrap().jwks_uri, "https://shop.example/jwks");
    let mut client = service.applications(OPERATOR_KEY);
    let inside = client.update_application(update(published("https://10.0.0.1/jwks"), &["jwks_uri"])).await;
    assert_eq!(reason_of(&inside.unwrap_err()), "JWKS_URI_REFUSED");
    // One takes the place of the other when both are named.
    let refused = client.update_application(update(shop(), &["jwks"])).await.unwrap_err();
    assert_eq!(field_of(&refused), "application.jwks_uri");
    client.update_application(update(shop(), &["jwks", "jwks_uri"])).await.unwrap();
    let changed = get(service, "shop").await.unwrap();
    assert_eq!((changed.jwks.as_str(), changed.jwks_uri.as_str()), (JWKS, ""));
}

async fn applications_of_other_tenants_do_not_exist(service: &Service) {
    create(service, shop()).await.unwrap();
    let other = service.token_of("other", "other-backend", "other-backend-secret").await.unwrap();
    let mut client = service.applications(&other);
    let id = || "shop".to_owned();
    let renamed = Application { id: id(), name: "Mine".to_owned(), ..Application::default() };
    let refusals = [
        client.get_application(GetApplicationRequest { application_id: id() }).await.map(drop),
        client.update_application(update(renamed, &["name"])).await.map(drop),
        client.delete_application(DeleteApplicationRequest { application_id: id() }).await.map(drop),
        client.rotate_client_secret(RotateClientSecretRequest { application_id: id(), overlap: None }).await.map(drop),
    ];
    for refused in refusals {
        assert_eq!(reason_of(&refused.unwrap_err()), "APPLICATION_NOT_FOUND");
    }
    let refused = client.create_application(CreateApplicationRequest { application: Some(shop()) }).await.unwrap_err();
    assert_eq!(reason_of(&refused), "TENANT_MISMATCH");
    assert_eq!(get(service, "shop").await.unwrap().name, "Shop");
}

async fn deleting_an_application_ends_its_sessions(service: &Service) {
    create(service, shop()).await.unwrap();
    let user = new_user(service, "ada@example.com").await;
    let request = LoginRequest {
        tenant_id: "default".to_owned(),
        application_id: "shop".to_owned(),
        login: user.login,
        password: super::users::PASSWORD.to_owned(),
        ..LoginRequest::default()
    };
    let signed_in = service.auth(OPERATOR_KEY).login(request.clone()).await.unwrap().into_inner();
    let session = signed_in.session.unwrap().id;
    let mut client = service.applications(OPERATOR_KEY);
    client.delete_application(DeleteApplicationRequest { application_id: "shop".to_owned() }).await.unwrap();
    assert!(!service.sessions.is_alive(&session));
    let (filter, reason) = service.sessions.ended().pop().unwrap();
    assert_eq!((filter.application_ids, filter.user_id.as_str()), (vec!["shop".to_owned()], ""));
    assert_eq!(reason, EndReason::ApplicationRemoved);
    let refresh_token = signed_in.tokens.unwrap().refresh_token;
    let refresh = RefreshRequest { refresh_token, application_id: "shop".to_owned() };
    assert_eq!(reason_of(&service.auth(OPERATOR_KEY).refresh(refresh).await.unwrap_err()), "TOKEN_REFUSED");
    let again = service.auth(OPERATOR_KEY).login(request).await.unwrap_err();
    assert_eq!(reason_of(&again), "APPLICATION_NOT_FOUND");
}

async fn nobody_gives_an_application_what_they_do_not_have(service: &Service) {
    let with = |id: &str, scopes: &[&str]| Application {
        id: id.to_owned(),
        service_scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..shop()
    };
    create(service, with("strong", &["sessions.admin"])).await.unwrap();
    create(service, with("writer", &["directory.write"])).await.unwrap();
    let keyed = Application {
        client_authentication: ClientAuthentication::PrivateKeyJwt.into(),
        jwks: JWKS.to_owned(),
        ..with("keyed", &["sessions.admin"])
    };
    create(service, keyed.clone()).await.unwrap();
    let other_key = Application { jwks: JWKS.replace("eA", "eg"), ..keyed.clone() };
    let published = Application { jwks: String::new(), jwks_uri: "https://mine.example/".to_owned(), ..keyed };
    let rotate = |id: &str| RotateClientSecretRequest { application_id: id.to_owned(), overlap: None };
    let secret = service.applications(OPERATOR_KEY).rotate_client_secret(rotate("writer")).await.unwrap();
    let writer = service.token_of("default", "writer", &secret.into_inner().client_secret).await.unwrap();
    let mut client = service.applications(&writer);
    let new = |id: &str, scopes: &[&str]| CreateApplicationRequest { application: Some(with(id, scopes)) };
    let refusals = [
        client.create_application(new("mine", &["sessions.write"])).await.map(drop),
        client.create_application(new("mine", &["directory.read", "webhooks.admin"])).await.map(drop),
        client.update_application(update(with("writer", &["sessions.admin"]), &["service_scopes"])).await.map(drop),
        client.rotate_client_secret(rotate("strong")).await.map(drop),
        client.update_application(update(other_key, &["jwks"])).await.map(drop),
        client.update_application(update(published, &["jwks", "jwks_uri"])).await.map(drop),
    ];
    for refused in refusals {
        let refused = refused.unwrap_err();
        assert_eq!((refused.code(), reason_of(&refused).as_str()), (Code::PermissionDenied, "SCOPE_NOT_HELD"));
    }
    // What is held, what it includes, and what opens others' services.
    let mine = new("mine", &["directory.write", "directory.read", "orders.read"]);
    client.create_application(mine).await.unwrap();
    // What an application has stays when something else of it changes.
    let renamed = Application { id: "strong".to_owned(), name: "Strong".to_owned(), ..Application::default() };
    client.update_application(update(renamed, &["name"])).await.unwrap();
    assert_eq!(get(service, "strong").await.unwrap().service_scopes, ["sessions.admin"]);
}
