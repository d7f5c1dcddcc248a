//! More calls than the service works on at a time: what it does it does right, the rest is refused cleanly.

use std::time::Duration;

use futures::future::join_all;
use proto::session::v1 as pb;
use svc_kit::access::AccessRules;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::*;

/// Far more than are let in.
const CALLS: usize = 400;

#[test]
fn creations_are_refused_before_validations_before_refreshes_before_revocations() {
    let rules = AccessRules::from_pool(proto::descriptor::pool());
    let importance = |rpc: &str| rules.get(&format!("/latchkey.session.v1.SessionService/{rpc}")).unwrap().importance;
    let order = ["CreateSession", "ValidateSession", "RefreshSession", "RevokeSession"].map(importance);
    assert!(order.is_sorted() && order.windows(2).all(|pair| pair[0] != pair[1]), "{order:?}");
    assert_eq!(importance("RevokeSessions"), importance("RevokeSession"));
    assert_eq!(importance("CloseScope"), importance("RevokeSession"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_refused_cleanly_and_leaves_nothing_behind() {
    let service = Service::start_with(Store::Redis, &[("LATCHKEY_GRPC__CONCURRENCY_MAX", "8".to_owned())]).await;
    let mut backend = service.caller_of(TENANT);
    let (session, token) = created(&mut backend, in_application(USER, APPLICATION)).await;
    let calls = (0..CALLS).map(|_| {
        let (mut backend, by_token) = (backend.clone(), by_token(&token));
        async move { backend.validate_session(by_token).await }
    });
    let answers = join_all(calls).await;
    let refused: Vec<&Status> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert!(!refused.is_empty() && refused.len() < CALLS, "{} of {CALLS} were refused", refused.len());
    for status in refused {
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        let reason = svc_kit::error::reason_of(status).unwrap();
        assert!(["OVERLOADED", "SHARE_EXCEEDED"].contains(&reason.as_str()), "{reason}");
        let retry = status.get_details_retry_info().unwrap().retry_delay.unwrap();
        assert!(retry > Duration::ZERO);
    }
    assert!(answers.iter().flatten().all(|answer| answer.get_ref().active), "what was let in was answered");
    // Every place is free again: as many calls as there are places, one after the other and of the least importance.
    for _ in 0..16 {
        created(&mut backend, in_application(USER, APPLICATION)).await;
    }
    let revoke = pb::RevokeSessionRequest {
        session: Some(pb::revoke_session_request::Session::SessionId(session.id.clone())),
        ..Default::default()
    };
    backend.revoke_session(revoke).await.unwrap();
    assert!(!is_active(&mut backend, &session.id).await);
}
