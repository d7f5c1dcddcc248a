//! `AuditService`.

use proto::{
    auth::v1::{AuditEvent, DisableUserRequest, ListAuditEventsRequest, LoginRequest},
    session::v1::Device,
};
use tonic::Status;

use super::{
    on_both,
    users::{PASSWORD, created},
};
use crate::support::service::{OPERATOR_KEY, Service, field_of, reason_of};

on_both!(
    changes_and_sign_ins_are_on_record_and_secrets_are_not,
    the_trail_is_read_in_pages,
    what_cannot_be_is_refused_by_field,
    nobody_reads_the_trail_of_another_tenant,
);

fn of_default() -> ListAuditEventsRequest {
    ListAuditEventsRequest { tenant_id: "default".to_owned(), ..ListAuditEventsRequest::default() }
}

async fn list(service: &Service, request: ListAuditEventsRequest) -> Vec<AuditEvent> {
    service.audit(OPERATOR_KEY).list_audit_events(request).await.unwrap().into_inner().audit_events
}

async fn login(service: &Service, login: &str, password: &str) -> Result<(), Status> {
    let device = Device { ip_address: "192.0.2.7".to_owned(), ..Device::default() };
    let request = LoginRequest {
        tenant_id: "default".to_owned(),
        application_id: "backend".to_owned(),
        login: login.to_owned(),
        password: password.to_owned(),
        device: Some(device),
        ..LoginRequest::default()
    };
    service.auth(OPERATOR_KEY).login(request).await.map(drop)
}

async fn changes_and_sign_ins_are_on_record_and_secrets_are_not(service: &Service) {
    let ada = created(service, "ada@example.com").await;
    login(service, &ada.login, "wrong password").await.unwrap_err();
    login(service, &ada.login, PASSWORD).await.unwrap();
    service.users(OPERATOR_KEY).disable_user(DisableUserRequest { user_id: ada.id.clone() }).await.unwrap();
    let about = ListAuditEventsRequest { subject: ada.id.clone(), ..of_default() };
    let found = list(service, about).await;
    let seen: Vec<_> =
        found.iter().map(|event| (event.action.as_str(), event.actor.as_str(), event.ip_address.as_str())).collect();
    let expected = [
        ("user.disabled", "operator:dev", "127.0.0.1"),
        ("user.login.success", "", "192.0.2.7"),
        ("user.login.failed", "", "192.0.2.7"),
        ("user.created", "operator:dev", "127.0.0.1"),
    ];
    assert_eq!(seen, expected);
    assert_eq!(found[2].details["reason"], "WRONG_PASSWORD");
    assert!(found[1].details["session_id"].starts_with("sess_"));
    assert!(found.iter().all(|event| event.user_id == ada.id && event.occurred_at.is_some()));
    let everything = format!("{:?}", list(service, of_default()).await);
    assert!(
        !everything.contains(PASSWORD) && !everything.contains("wrong password") && !everything.contains(&ada.login)
    );
}

async fn the_trail_is_read_in_pages(service: &Service) {
    for number in 0..5 {
        created(service, &format!("{number}@example.com")).await;
    }
    let request = ListAuditEventsRequest { action: "user".to_owned(), page_size: 2, ..of_default() };
    let (mut ids, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListAuditEventsRequest { page_token, ..request.clone() };
        let page = service.audit(OPERATOR_KEY).list_audit_events(request).await.unwrap().into_inner();
        ids.extend(page.audit_events.iter().map(|event| event.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        // A token continues its own question only.
        let other = ListAuditEventsRequest { page_token: page_token.clone(), ..of_default() };
        assert!(service.audit(OPERATOR_KEY).list_audit_events(other).await.is_err());
    }
    assert!(ids.len() == 5 && ids.is_sorted_by(|newer, older| newer > older), "{ids:?}");
}

async fn what_cannot_be_is_refused_by_field(service: &Service) {
    let long = "x".repeat(129);
    let never = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 });
    for (field, request) in [
        ("tenant_id", ListAuditEventsRequest::default()),
        ("actor", ListAuditEventsRequest { actor: long.clone(), ..of_default() }),
        ("action", ListAuditEventsRequest { action: long.clone(), ..of_default() }),
        ("subject", ListAuditEventsRequest { subject: long, ..of_default() }),
        ("occurred_after", ListAuditEventsRequest { occurred_after: never, ..of_default() }),
        ("page_size", ListAuditEventsRequest { page_size: -1, ..of_default() }),
    ] {
        let refused = service.audit(OPERATOR_KEY).list_audit_events(request).await.unwrap_err();
        assert_eq!(field_of(&refused), field);
    }
}

async fn nobody_reads_the_trail_of_another_tenant(service: &Service) {
    created(service, "ada@example.com").await;
    let other = service.token_of("other", "other-backend", "other-backend-secret").await.unwrap();
    let refused = service.audit(&other).list_audit_events(of_default()).await.unwrap_err();
    assert_eq!(reason_of(&refused), "TENANT_MISMATCH");
    let own = ListAuditEventsRequest { tenant_id: "other".to_owned(), ..ListAuditEventsRequest::default() };
    let found = service.audit(&other).list_audit_events(own).await.unwrap().into_inner().audit_events;
    assert!(found.iter().all(|event| event.tenant_id == "other"), "{found:?}");
}
