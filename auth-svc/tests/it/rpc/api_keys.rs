//! `ApiKeyService`, and what a key opens.

use std::time::Duration;

use proto::auth::v1::{
    ApiKey, CreateApiKeyRequest, CreateApiKeyResponse, DeleteApiKeyRequest, GetApiKeyRequest, GetUserRequest,
    ListApiKeysRequest, ListUsersRequest, RotateApiKeyRequest, SuspendTenantRequest,
};
use svc_kit::clock::Timestamp;
use tonic::{Code, Status};

use super::{on_both, users::created as new_user};
use crate::support::service::{OPERATOR_KEY, START, Service, field_of, reason_of};

on_both!(
    a_key_opens_what_its_scopes_say_in_its_tenant,
    a_key_ends_when_it_is_due_and_at_once_when_deleted,
    a_secret_is_rotated_with_an_overlap,
    nobody_gives_what_they_do_not_have,
    what_cannot_be_is_refused_by_field,
    keys_of_other_tenants_do_not_exist,
    a_use_is_noted,
    a_key_of_a_suspended_tenant_is_refused,
);

fn new(tenant: &str, scopes: &[&str]) -> ApiKey {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    ApiKey { tenant_id: tenant.to_owned(), name: "Importer".to_owned(), scopes, ..ApiKey::default() }
}

async fn create(service: &Service, caller: &str, key: ApiKey) -> Result<CreateApiKeyResponse, Status> {
    let request = CreateApiKeyRequest { api_key: Some(key) };
    Ok(service.api_keys(caller).create_api_key(request).await?.into_inner())
}

async fn list_users(service: &Service, credential: &str, tenant: &str) -> Result<(), Status> {
    let request = ListUsersRequest { tenant_id: tenant.to_owned(), ..ListUsersRequest::default() };
    service.users(credential).list_users(request).await.map(drop)
}

async fn get(service: &Service, id: &str) -> Result<ApiKey, Status> {
    let request = GetApiKeyRequest { api_key_id: id.to_owned() };
    Ok(service.api_keys(OPERATOR_KEY).get_api_key(request).await?.into_inner().api_key.unwrap())
}

async fn a_key_opens_what_its_scopes_say_in_its_tenant(service: &Service) {
    let ada = new_user(service, "ada@example.com").await;
    let made = create(service, OPERATOR_KEY, new("default", &["directory.read"])).await.unwrap();
    let (key, secret) = (made.api_key.unwrap(), made.secret);
    assert!(secret.starts_with("lkk_") && !format!("{key:?}").contains(&secret));
    assert_eq!(key.created_by, "operator:dev");
    let in_90_days = START.saturating_add(Duration::from_secs(90 * 24 * 3600)).to_proto();
    assert_eq!(key.expires_at, Some(in_90_days));
    service.event("api_key.created", &key.id).await;
    service.users(&secret).get_user(GetUserRequest { user_id: ada.id.clone() }).await.unwrap();
    list_users(service, &secret, "default").await.unwrap();
    assert_eq!(reason_of(&list_users(service, &secret, "other").await.unwrap_err()), "TENANT_MISMATCH");
    let disable = proto::auth::v1::DisableUserRequest { user_id: ada.id };
    let refused = service.users(&secret).disable_user(disable).await.unwrap_err();
    assert_eq!(reason_of(&refused), "SCOPE_MISSING");
    for wrong in [&secret[..secret.len() - 1], &format!("{secret}x"), &secret.replace("lkk_", "lkk"), "lkk_x_y"] {
        let refused = list_users(service, wrong, "default").await.unwrap_err();
        assert_eq!((refused.code(), reason_of(&refused).as_str()), (Code::Unauthenticated, "CREDENTIAL_INVALID"));
    }
    let request = ListApiKeysRequest { tenant_id: "default".to_owned(), ..ListApiKeysRequest::default() };
    let listed = service.api_keys(&secret).list_api_keys(request).await.unwrap().into_inner().api_keys;
    assert_eq!(listed.iter().map(|key| &key.id).collect::<Vec<_>>(), [&key.id]);
}

async fn a_key_ends_when_it_is_due_and_at_once_when_deleted(service: &Service) {
    let expires_at = Some(START.saturating_add(Duration::from_secs(60)).to_proto());
    let short = ApiKey { expires_at, ..new("default", &["directory.read"]) };
    let short = create(service, OPERATOR_KEY, short).await.unwrap().secret;
    let long = create(service, OPERATOR_KEY, new("default", &["directory.read"])).await.unwrap();
    service.clock.advance(Duration::from_millis(59_999));
    list_users(service, &short, "default").await.unwrap();
    service.clock.advance(Duration::from_millis(1));
    assert_eq!(reason_of(&list_users(service, &short, "default").await.unwrap_err()), "CREDENTIAL_INVALID");
    list_users(service, &long.secret, "default").await.unwrap();
    let delete = || DeleteApiKeyRequest { api_key_id: long.api_key.clone().unwrap().id };
    let mut client = service.api_keys(OPERATOR_KEY);
    client.delete_api_key(delete()).await.unwrap();
    assert_eq!(reason_of(&list_users(service, &long.secret, "default").await.unwrap_err()), "CREDENTIAL_INVALID");
    assert_eq!(reason_of(&client.delete_api_key(delete()).await.unwrap_err()), "API_KEY_NOT_FOUND");
    service.event("api_key.deleted", &delete().api_key_id).await;
}

async fn a_secret_is_rotated_with_an_overlap(service: &Service) {
    let made = create(service, OPERATOR_KEY, new("default", &["directory.read"])).await.unwrap();
    let (first, id) = (made.secret, made.api_key.unwrap().id);
    let rotate = async |seconds: Option<i64>| {
        let overlap = seconds.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
        let request = RotateApiKeyRequest { api_key_id: id.clone(), overlap };
        service.api_keys(OPERATOR_KEY).rotate_api_key(request).await.map(|answer| answer.into_inner().secret)
    };
    let works = async |secret: &str| list_users(service, secret, "default").await.is_ok();
    let second = rotate(Some(60)).await.unwrap();
    assert!(works(&first).await && works(&second).await);
    service.clock.advance(Duration::from_secs(60));
    assert!(!works(&first).await && works(&second).await);
    // Never more than two.
    let (third, fourth) = (rotate(None).await.unwrap(), rotate(None).await.unwrap());
    assert!(!works(&second).await && works(&third).await && works(&fourth).await);
    let fifth = rotate(Some(0)).await.unwrap();
    assert!(!works(&fourth).await && works(&fifth).await);
    assert_eq!(field_of(&rotate(Some(-1)).await.unwrap_err()), "overlap");
    service.event("api_key.rotated", &id).await;
}

async fn nobody_gives_what_they_do_not_have(service: &Service) {
    let writer = create(service, OPERATOR_KEY, new("default", &["directory.write"])).await.unwrap().secret;
    let refused = create(service, &writer, new("default", &["directory.read", "sessions.write"])).await.unwrap_err();
    assert_eq!((refused.code(), reason_of(&refused).as_str()), (Code::PermissionDenied, "SCOPE_NOT_HELD"));
    // What a wider scope includes may be given.
    create(service, &writer, new("default", &["directory.read"])).await.unwrap();
    let stronger = create(service, OPERATOR_KEY, new("default", &["sessions.write"])).await.unwrap();
    let request = RotateApiKeyRequest { api_key_id: stronger.api_key.unwrap().id, overlap: None };
    let refused = service.api_keys(&writer).rotate_api_key(request).await.unwrap_err();
    assert_eq!(reason_of(&refused), "SCOPE_NOT_HELD");
}

async fn what_cannot_be_is_refused_by_field(service: &Service) {
    let good = || new("default", &["directory.read"]);
    let at = |seconds: i64| Some(Timestamp::from_ms(START.as_ms() + seconds * 1000).to_proto());
    let cases = [
        ("api_key.tenant_id", ApiKey { tenant_id: String::new(), ..good() }),
        ("api_key.name", ApiKey { name: "x".repeat(129), ..good() }),
        ("api_key.scopes", new("default", &[])),
        ("api_key.scopes", new("default", &["webhooks.admin"])),
        ("api_key.expires_at", ApiKey { expires_at: at(0), ..good() }),
        ("api_key.expires_at", ApiKey { expires_at: at(400 * 24 * 3600 + 1), ..good() }),
    ];
    for (field, key) in cases {
        let refused = create(service, OPERATOR_KEY, key).await.unwrap_err();
        assert_eq!((refused.code(), field_of(&refused).as_str()), (Code::InvalidArgument, field));
    }
    let nowhere = create(service, OPERATOR_KEY, new("nowhere", &["directory.read"])).await.unwrap_err();
    assert_eq!(reason_of(&nowhere), "TENANT_NOT_FOUND");
    assert_eq!(field_of(&get(service, "akey_").await.unwrap_err()), "api_key_id");
}

async fn keys_of_other_tenants_do_not_exist(service: &Service) {
    let id = create(service, OPERATOR_KEY, new("default", &["directory.read"])).await.unwrap().api_key.unwrap().id;
    let other = service.token_of("other", "other-backend", "other-backend-secret").await.unwrap();
    let mut client = service.api_keys(&other);
    let api_key_id = || id.clone();
    let refusals = [
        client.get_api_key(GetApiKeyRequest { api_key_id: api_key_id() }).await.map(drop),
        client.rotate_api_key(RotateApiKeyRequest { api_key_id: api_key_id(), overlap: None }).await.map(drop),
        client.delete_api_key(DeleteApiKeyRequest { api_key_id: api_key_id() }).await.map(drop),
    ];
    for refused in refusals {
        assert_eq!(reason_of(&refused.unwrap_err()), "API_KEY_NOT_FOUND");
    }
    let refused = create(service, &other, new("default", &["directory.read"])).await.unwrap_err();
    assert_eq!(reason_of(&refused), "TENANT_MISMATCH");
    get(service, &id).await.unwrap();
}

async fn a_use_is_noted(service: &Service) {
    let made = create(service, OPERATOR_KEY, new("default", &["directory.read"])).await.unwrap();
    let id = made.api_key.unwrap().id;
    assert_eq!(get(service, &id).await.unwrap().last_used_at, None);
    for (seconds, known) in [(0, 0), (59, 0), (1, 60)] {
        service.clock.advance(Duration::from_secs(seconds));
        list_users(service, &made.secret, "default").await.unwrap();
        let at = START.saturating_add(Duration::from_secs(known)).to_proto();
        assert_eq!(get(service, &id).await.unwrap().last_used_at, Some(at), "{seconds}");
    }
}

async fn a_key_of_a_suspended_tenant_is_refused(service: &Service) {
    let secret = create(service, OPERATOR_KEY, new("other", &["directory.read"])).await.unwrap().secret;
    list_users(service, &secret, "other").await.unwrap();
    let request = SuspendTenantRequest { tenant_id: "other".to_owned() };
    service.tenants(OPERATOR_KEY).suspend_tenant(request).await.unwrap();
    assert_eq!(reason_of(&list_users(service, &secret, "other").await.unwrap_err()), "CREDENTIAL_INVALID");
}
