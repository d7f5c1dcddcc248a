//! Who may call: every RPC of the contract × {no credential, unknown credential, wrong scope, wrong tenant}.
//!
//! The list is the contract itself: an RPC that is added is walked without anybody remembering to.

use prost_reflect::{DynamicMessage, MethodDescriptor, ReflectMessage as _, Value};
use proto::{
    access::v1::{Access, access::Tenant},
    descriptor::{access, methods, path},
};
use tonic::{Code, Status};

use crate::support::{DEFAULT_TENANT, OPERATOR_KEY, OTHER_TENANT, Objects, Stack, reason_of};

fn rule(method: &MethodDescriptor) -> Access {
    access(method).unwrap_or_else(|| panic!("{} has no access rule", path(method)))
}

fn empty(method: &MethodDescriptor) -> DynamicMessage {
    DynamicMessage::new(method.input())
}

/// A message in which the field at `path` has this text.
fn with_text(method: &MethodDescriptor, path: &str, text: &str) -> DynamicMessage {
    fn set(message: &mut DynamicMessage, path: &str, text: &str) {
        match path.split_once('.') {
            None => message.set_field_by_name(path, Value::String(text.to_owned())),
            Some((first, rest)) => {
                let field = message.descriptor().get_field_by_name(first).unwrap();
                let mut inner = DynamicMessage::new(field.kind().as_message().unwrap().clone());
                set(&mut inner, rest, text);
                message.set_field(&field, Value::Message(inner));
            }
        }
    }
    let mut message = empty(method);
    set(&mut message, path, text);
    message
}

#[track_caller]
fn assert_refused(method: &MethodDescriptor, answer: Result<DynamicMessage, Status>, code: Code, reason: &str) {
    let status = answer.err().unwrap_or_else(|| panic!("{} answered; expected {reason}", path(method)));
    assert_eq!((status.code(), reason_of(&status).as_str()), (code, reason), "{}", path(method));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rpc_answers_without_a_good_credential() {
    let stack = Stack::in_memory().await;
    let unsigned = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.";
    let too_long = "k".repeat(12_000);
    for method in methods() {
        let client = stack.client_of(&method);
        assert_refused(
            &method,
            client.call(&method, None, &empty(&method)).await,
            Code::Unauthenticated,
            "CREDENTIAL_MISSING",
        );
        for unknown in ["unknown", "dev-operator-kez", unsigned, &too_long] {
            let answer = client.call(&method, Some(unknown), &empty(&method)).await;
            assert_refused(&method, answer, Code::Unauthenticated, "CREDENTIAL_INVALID");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rpc_answers_without_its_scope() {
    let stack = Stack::in_memory().await;
    let of_sessions = stack.token_of(DEFAULT_TENANT, "sessions-backend").await;
    let of_others = stack.token_of(DEFAULT_TENANT, "directory-backend").await;
    for method in methods() {
        let scope = rule(&method).scope;
        let without = if scope.starts_with("sessions.") { &of_others } else { &of_sessions };
        let answer = stack.client_of(&method).call(&method, Some(without), &empty(&method)).await;
        assert_refused(&method, answer, Code::PermissionDenied, "SCOPE_MISSING");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rpc_reaches_into_another_tenant() {
    let stack = Stack::in_memory().await;
    let other = stack.token_of(OTHER_TENANT, "other-backend").await;
    for method in methods() {
        let client = stack.client_of(&method);
        match rule(&method).tenant.unwrap() {
            Tenant::TenantField(field) => {
                let answer = client.call(&method, Some(&other), &with_text(&method, &field, DEFAULT_TENANT)).await;
                assert_refused(&method, answer, Code::PermissionDenied, "TENANT_MISMATCH");
            }
            Tenant::EveryTenant(_) => {
                let answer = client.call(&method, Some(&other), &empty(&method)).await;
                assert_refused(&method, answer, Code::PermissionDenied, "TENANT_MISMATCH");
            }
            // What becomes of objects of another tenant is `foreign_objects_look_like_objects_that_do_not_exist`.
            Tenant::TenantOfResource(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_is_served_and_its_own_callers_get_past_the_door() {
    let stack = Stack::in_memory().await;
    let own = stack.token_of(DEFAULT_TENANT, "demo-backend").await;
    let other = stack.token_of(OTHER_TENANT, "other-backend").await;
    for method in methods() {
        // What concerns every tenant is closed to whoever belongs to one.
        let is_for_all = matches!(rule(&method).tenant.unwrap(), Tenant::EveryTenant(_));
        let credentials = [OPERATOR_KEY, &own, &other];
        for credential in credentials.into_iter().take(if is_for_all { 1 } else { 3 }) {
            let Err(status) = stack.client_of(&method).call(&method, Some(credential), &empty(&method)).await else {
                continue;
            };
            let refused = [Code::Unimplemented, Code::Internal, Code::Unknown, Code::PermissionDenied];
            assert!(!refused.contains(&status.code()), "{}: {status:?}", path(&method));
            let is_of_the_door =
                status.code() == Code::Unauthenticated && reason_of(&status).starts_with("CREDENTIAL_");
            assert!(!is_of_the_door, "{}: {status:?}", path(&method));
        }
    }
}

/// What can be told apart from outside.
fn seen(answer: Result<DynamicMessage, Status>) -> Result<DynamicMessage, (Code, String)> {
    answer.map_err(|status| (status.code(), reason_of(&status)))
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_objects_look_like_objects_that_do_not_exist() {
    let stack = Stack::in_memory().await;
    let (own, other) =
        (stack.token_of(DEFAULT_TENANT, "demo-backend").await, stack.token_of(OTHER_TENANT, "other-backend").await);
    let objects = Objects::create(&stack).await;
    let strangers = objects.strangers();
    let of_resource = |method: &MethodDescriptor| matches!(rule(method).tenant.unwrap(), Tenant::TenantOfResource(_));
    for method in methods().filter(of_resource) {
        let client = stack.client_of(&method);
        let foreign = seen(client.call(&method, Some(&other), &objects.request(&method)).await);
        let missing = seen(client.call(&method, Some(&other), &strangers.request(&method)).await);
        assert_eq!(foreign, missing, "{}", path(&method));
        if let Err((code, reason)) = &foreign {
            let is_not_found = *code == Code::NotFound && reason.ends_with("_NOT_FOUND");
            assert!(is_not_found || reason == "TOKEN_REFUSED", "{}: {code:?} {reason}", path(&method));
        }
    }
    // Nothing has changed, and the objects are there for those whose they are: the walk did not miss them.
    for name in ["GetSession", "GetUser", "GetEndpoint", "GetDelivery", "GetApplication", "ValidateSession"] {
        let method = methods().find(|method| method.name() == name).unwrap();
        let answer = stack.client_of(&method).call(&method, Some(&own), &objects.request(&method)).await.unwrap();
        let text = serde_json::to_string(&answer).unwrap();
        let has_changed = ["REVOKED", "DISABLED", "changed"].iter().any(|word| text.contains(word));
        assert!(text.contains(DEFAULT_TENANT) && !has_changed, "{name}: {text}");
    }
}
