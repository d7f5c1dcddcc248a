//! `TenantService`, and what it means for sessions and pages.

use proto::auth::v1::{
    Application, ClientType, CreateApplicationRequest, CreateTenantRequest, CreateUserRequest, GetTenantRequest,
    ListTenantsRequest, LoginRequest, LoginResponse, ResumeTenantRequest, SsoWithoutKeepSignedIn, SuspendTenantRequest,
    Tenant, TenantState, UpdateTenantRequest,
};
use tonic::{Code, Status};

use super::{on_both, users::PASSWORD};
use crate::support::{
    eventually,
    service::{OPERATOR_KEY, Service, field_of, reason_of},
};

on_both!(
    a_tenant_is_created_read_listed_and_changed,
    what_cannot_be_is_refused_by_field,
    a_tenants_own_backend_reaches_that_tenant_only,
    a_suspended_tenant_is_closed_until_it_is_resumed,
    of_suspensions_and_resumptions_while_session_svc_is_away_the_last_one_holds,
    the_pages_look_as_their_tenant_wants,
);

fn acme() -> Tenant {
    Tenant {
        id: "acme".to_owned(),
        name: "Acme".to_owned(),
        light_colors: [("accent".to_owned(), "#0a7f2e".to_owned())].into(),
        logo_url: "https://acme.example/logo.svg".to_owned(),
        default_language: "de".to_owned(),
        ..Tenant::default()
    }
}

async fn create(service: &Service, tenant: Tenant) -> Result<Tenant, Status> {
    let request = CreateTenantRequest { tenant: Some(tenant) };
    Ok(service.tenants(OPERATOR_KEY).create_tenant(request).await?.into_inner().tenant.unwrap())
}

fn update(tenant: Tenant, paths: &[&str]) -> UpdateTenantRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    UpdateTenantRequest { tenant: Some(tenant), update_mask: Some(prost_types::FieldMask { paths }) }
}

async fn a_tenant_is_created_read_listed_and_changed(service: &Service) {
    let made = create(service, acme()).await.unwrap();
    let expected = Tenant {
        state: TenantState::Active.into(),
        issuer: format!("{}/t/acme", service.running.issuer),
        sso_without_keep_signed_in: SsoWithoutKeepSignedIn::Browser.into(),
        created_at: made.created_at,
        updated_at: made.updated_at,
        ..acme()
    };
    assert_eq!(made, expected);
    assert!(made.created_at.is_some());
    assert_eq!(service.event("tenant.created", "acme").await.actor, "operator:dev");
    assert_eq!(reason_of(&create(service, acme()).await.unwrap_err()), "TENANT_EXISTS");
    let mut client = service.tenants(OPERATOR_KEY);
    let mut ids = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = client.list_tenants(ListTenantsRequest { page_size: 2, page_token }).await.unwrap().into_inner();
        ids.extend(page.tenants.into_iter().map(|tenant| tenant.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(ids, ["acme", "default", "other"]);
    service.clock.advance(std::time::Duration::from_secs(5));
    let new = Tenant {
        id: "acme".to_owned(),
        name: "Better".to_owned(),
        sso_without_keep_signed_in: SsoWithoutKeepSignedIn::None.into(),
        ..Tenant::default()
    };
    let request = update(new.clone(), &["name", "light_colors", "sso_without_keep_signed_in"]);
    let changed = client.update_tenant(request).await.unwrap().into_inner().tenant.unwrap();
    assert_ne!(changed.updated_at, made.updated_at);
    let expected = Tenant {
        name: new.name,
        light_colors: [].into(),
        sso_without_keep_signed_in: new.sso_without_keep_signed_in,
        updated_at: changed.updated_at,
        ..expected
    };
    assert_eq!(changed, expected);
    let request = GetTenantRequest { tenant_id: "acme".to_owned() };
    assert_eq!(client.get_tenant(request).await.unwrap().into_inner().tenant, Some(expected));
    service.event("tenant.updated", "acme").await;
    let nobody = GetTenantRequest { tenant_id: "nobody".to_owned() };
    assert_eq!(reason_of(&client.get_tenant(nobody).await.unwrap_err()), "TENANT_NOT_FOUND");
}

async fn what_cannot_be_is_refused_by_field(service: &Service) {
    let colours = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
    let cases = [
        ("id", Tenant { id: String::new(), ..acme() }),
        ("id", Tenant { id: "Acme".to_owned(), ..acme() }),
        ("id", Tenant { id: "../x".to_owned(), ..acme() }),
        ("name", Tenant { name: "x".repeat(129), ..acme() }),
        ("light_colors", Tenant { light_colors: colours("accent", "red"), ..acme() }),
        ("light_colors", Tenant { light_colors: colours("accent", "#123456;}"), ..acme() }),
        ("dark_colors", Tenant { dark_colors: colours("other", "#123456"), ..acme() }),
        ("logo_url", Tenant { logo_url: "http://acme.example/".to_owned(), ..acme() }),
        ("logo_url", Tenant { logo_url: "javascript:alert(1)".to_owned(), ..acme() }),
        ("sso_without_keep_signed_in", Tenant { sso_without_keep_signed_in: 9, ..acme() }),
        ("default_language", Tenant { default_language: "fr".to_owned(), ..acme() }),
    ];
    for (field, tenant) in cases {
        let refused = create(service, tenant).await.unwrap_err();
        assert_eq!((refused.code(), field_of(&refused)), (Code::InvalidArgument, format!("tenant.{field}")));
    }
    create(service, acme()).await.unwrap();
    let mut client = service.tenants(OPERATOR_KEY);
    for paths in [&[][..], &["id"], &["state"], &["name", "none"]] {
        let refused = client.update_tenant(update(acme(), paths)).await.unwrap_err();
        assert_eq!(field_of(&refused), "update_mask");
    }
    let request = SuspendTenantRequest { tenant_id: "default".to_owned() };
    assert_eq!(reason_of(&client.suspend_tenant(request).await.unwrap_err()), "TENANT_IS_DEFAULT");
}

async fn a_tenants_own_backend_reaches_that_tenant_only(service: &Service) {
    let other = service.token_of("other", "other-backend", "other-backend-secret").await.unwrap();
    let mut client = service.tenants(&other);
    let own = Tenant { id: "other".to_owned(), name: "Mine".to_owned(), ..Tenant::default() };
    client.update_tenant(update(own, &["name"])).await.unwrap();
    let foreign = Tenant { id: "default".to_owned(), name: "Mine".to_owned(), ..Tenant::default() };
    let refusals = [
        client.update_tenant(update(foreign, &["name"])).await.map(drop),
        client.get_tenant(GetTenantRequest { tenant_id: "default".to_owned() }).await.map(drop),
        client.list_tenants(ListTenantsRequest::default()).await.map(drop),
        client.create_tenant(CreateTenantRequest { tenant: Some(acme()) }).await.map(drop),
        client.suspend_tenant(SuspendTenantRequest { tenant_id: "other".to_owned() }).await.map(drop),
        client.resume_tenant(ResumeTenantRequest { tenant_id: "other".to_owned() }).await.map(drop),
    ];
    for refused in refusals {
        assert_eq!(reason_of(&refused.unwrap_err()), "TENANT_MISMATCH");
    }
    // One that names no tenant at all.
    assert_eq!(field_of(&client.get_tenant(GetTenantRequest::default()).await.unwrap_err()), "tenant_id");
}

/// Makes the tenant with an application and a user.
async fn inhabited(service: &Service) {
    create(service, acme()).await.unwrap();
    let application = Application {
        id: "shop".to_owned(),
        tenant_id: "acme".to_owned(),
        name: "Shop".to_owned(),
        client_type: ClientType::Confidential.into(),
        redirect_uris: vec!["https://shop.example/cb".to_owned()],
        ..Application::default()
    };
    let request = CreateApplicationRequest { application: Some(application) };
    service.applications(OPERATOR_KEY).create_application(request).await.unwrap();
    let request = CreateUserRequest {
        tenant_id: "acme".to_owned(),
        login: "ada@example.com".to_owned(),
        name: String::new(),
        password: PASSWORD.to_owned(),
    };
    service.users(OPERATOR_KEY).create_user(request).await.unwrap();
}

async fn login(service: &Service) -> Result<LoginResponse, Status> {
    let request = LoginRequest {
        tenant_id: "acme".to_owned(),
        application_id: "shop".to_owned(),
        login: "ada@example.com".to_owned(),
        password: PASSWORD.to_owned(),
        ..LoginRequest::default()
    };
    Ok(service.auth(OPERATOR_KEY).login(request).await?.into_inner())
}

async fn suspend(service: &Service) -> Tenant {
    let request = SuspendTenantRequest { tenant_id: "acme".to_owned() };
    service.tenants(OPERATOR_KEY).suspend_tenant(request).await.unwrap().into_inner().tenant.unwrap()
}

async fn resume(service: &Service) -> Tenant {
    let request = ResumeTenantRequest { tenant_id: "acme".to_owned() };
    service.tenants(OPERATOR_KEY).resume_tenant(request).await.unwrap().into_inner().tenant.unwrap()
}

async fn page(service: &Service, path: &str) -> reqwest::Response {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    client.get(format!("{}{path}", service.running.issuer)).send().await.unwrap()
}

async fn a_suspended_tenant_is_closed_until_it_is_resumed(service: &Service) {
    const DISCOVERY: &str = "/t/acme/.well-known/openid-configuration";
    inhabited(service).await;
    let session = login(service).await.unwrap().session.unwrap().id;
    assert_eq!(page(service, DISCOVERY).await.status(), 200);
    assert_eq!(suspend(service).await.state(), TenantState::Suspended);
    assert!(service.sessions.is_closed("acme") && !service.sessions.is_alive(&session));
    service.event("tenant.suspended", "acme").await;
    assert_eq!(reason_of(&login(service).await.unwrap_err()), "TENANT_SUSPENDED");
    assert_eq!(page(service, DISCOVERY).await.status(), 404);
    // Again changes nothing.
    suspend(service).await;
    assert_eq!(resume(service).await.state(), TenantState::Active);
    service.event("tenant.resumed", "acme").await;
    assert!(!service.sessions.is_closed("acme") && !service.sessions.is_alive(&session));
    assert_eq!(page(service, DISCOVERY).await.status(), 200);
    login(service).await.unwrap();
}

async fn of_suspensions_and_resumptions_while_session_svc_is_away_the_last_one_holds(service: &Service) {
    inhabited(service).await;
    service.sessions.be_away(true);
    suspend(service).await;
    resume(service).await;
    suspend(service).await;
    assert!(!service.sessions.is_closed("acme"));
    service.sessions.be_away(false);
    eventually("the tenant is closed", async || service.sessions.is_closed("acme").then_some(())).await;
    // All orders are carried out by now or later, and none of them opens it.
    resume(service).await;
    suspend(service).await;
    assert!(service.sessions.is_closed("acme"));
}

async fn the_pages_look_as_their_tenant_wants(service: &Service) {
    inhabited(service).await;
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let path = format!(
        "/t/acme/authorize?client_id=shop&response_type=code&scope=openid&redirect_uri=https://shop.example/cb\
         &code_challenge={challenge}&code_challenge_method=S256"
    );
    let shown = page(service, &path).await;
    assert_eq!(shown.status(), 200);
    let policy = shown.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("img-src 'self' data: https://acme.example;"), "{policy}");
    let html = shown.text().await.unwrap();
    assert!(html.contains(r#"src="https://acme.example/logo.svg" alt="Acme""#), "{html}");
    assert!(html.contains(r#"<html lang="de">"#) && html.contains("Anmelden"), "{html}");
    assert!(html.contains(r#"href="/t/acme/theme.css?v=0""#), "{html}");
    let theme = page(service, "/t/acme/theme.css?v=0").await;
    assert_eq!(theme.headers()["content-type"], "text/css; charset=utf-8");
    assert_eq!(theme.text().await.unwrap(), ":root{--accent:#0a7f2e;}\n");
    // The tenant at the base URL has no theme, and its pages are as they were.
    let plain = page(service, "/authorize?client_id=nobody").await.text().await.unwrap();
    assert!(!plain.contains("theme.css") && plain.contains(r#"class="mark""#), "{plain}");
}
