//! `ListEventTypes`.

use proto::webhook::v1::{ListEventTypesRequest, ListEventTypesResponse};
use serde_json::Value;
use tonic::Code;

use super::{on_both_stacks, refusal};
use crate::support::stack::Stack;

on_both_stacks!(types_are_listed_by_name_page_by_page, types_are_chosen_by_pattern);

fn request(types: &[&str], page_token: &str) -> ListEventTypesRequest {
    ListEventTypesRequest {
        tenant_id: "acme".into(),
        types: types.iter().map(|text| (*text).to_owned()).collect(),
        page_size: 5,
        page_token: page_token.into(),
    }
}

async fn page(stack: &Stack, types: &[&str], page_token: &str) -> ListEventTypesResponse {
    stack.events().list_event_types(request(types, page_token)).await.unwrap().into_inner()
}

async fn types_are_listed_by_name_page_by_page(stack: &Stack) {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let page = page(stack, &[], &token).await;
        all.extend(page.event_types);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let names: Vec<&str> = all.iter().map(|found| found.name.as_str()).collect();
    assert!(names.is_sorted() && names.len() > 20, "{names:?}");
    let only_by_name: Vec<&str> =
        all.iter().filter(|found| found.only_by_name).map(|found| found.name.as_str()).collect();
    assert_eq!(only_by_name, ["session.refreshed"]);
    for found in &all {
        let schema: Value = serde_json::from_str(&found.schema).unwrap();
        assert_eq!(schema["properties"]["type"]["const"], found.name);
        assert!(!found.description.is_empty(), "{}", found.name);
    }
}

async fn types_are_chosen_by_pattern(stack: &Stack) {
    let names = |page: ListEventTypesResponse| page.event_types.into_iter().map(|found| found.name).collect::<Vec<_>>();
    assert_eq!(
        names(page(stack, &["session.revoked", "user.login.*"], "").await),
        ["session.revoked", "user.login.failed", "user.login.success"]
    );
    let of_all = page(stack, &[], "").await.next_page_token;
    let refused = refusal(stack.events().list_event_types(request(&["user.*"], &of_all)).await);
    assert_eq!(refused, (Code::InvalidArgument, "PAGE_TOKEN_INVALID".to_owned()));
}
