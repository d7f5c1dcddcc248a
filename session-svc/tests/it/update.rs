//! `UpdateSession`.

use std::collections::HashMap;

use proto::session::v1 as pb;
use tonic::{Code, Status};

use crate::support::*;

on_each_store!(
    only_what_the_mask_names_changes,
    what_a_session_was_created_with_for_good_stays,
    a_repeated_key_has_one_effect,
    no_change_undoes_another,
    what_is_over_unknown_or_foreign_is_refused,
    every_field_is_checked,
);

fn change(session: &pb::Session, paths: &[&str]) -> pb::UpdateSessionRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    pb::UpdateSessionRequest {
        session_id: session.id.clone(),
        device_name: "Ada's laptop".to_owned(),
        attributes: HashMap::from([("theme".to_owned(), "dark".to_owned())]),
        update_mask: Some(prost_types::FieldMask { paths }),
        ..Default::default()
    }
}

async fn update(client: &mut Client, request: pb::UpdateSessionRequest) -> Result<pb::Session, Status> {
    client.update_session(request).await.map(|answer| answer.into_inner().session.unwrap())
}

async fn only_what_the_mask_names_changes(service: &Service) {
    let mut client = service.operator();
    let attributes = HashMap::from([("old".to_owned(), "1".to_owned())]);
    let request = pb::CreateSessionRequest { attributes: attributes.clone(), ..sso(USER) };
    let (session, _) = created(&mut client, request).await;
    let renamed = update(&mut client, change(&session, &["device_name"])).await.unwrap();
    assert_eq!((renamed.device.as_ref().unwrap().name.as_str(), &renamed.attributes), ("Ada's laptop", &attributes));
    let request = pb::UpdateSessionRequest { device_name: String::new(), ..change(&session, &["attributes"]) };
    let marked = update(&mut client, request).await.unwrap();
    assert_eq!(marked.device.as_ref().unwrap().name, "Ada's laptop");
    assert_eq!(marked.attributes, HashMap::from([("theme".to_owned(), "dark".to_owned())]));
    let both = pb::UpdateSessionRequest {
        device_name: String::new(),
        attributes: HashMap::new(),
        ..change(&session, &["device_name", "attributes"])
    };
    let cleared = update(&mut client, both).await.unwrap();
    // Nothing else moved: no time, no generation, no version.
    assert_eq!(cleared, pb::Session { attributes: HashMap::new(), ..session.clone() });
    assert_eq!(get(&mut client, &session.id).await.unwrap(), cleared);
    service.events.are(&session.id, &["session.created"]).await;
}

async fn what_a_session_was_created_with_for_good_stays(service: &Service) {
    let mut client = service.operator();
    let map = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<HashMap<_, _>>()
    };
    let request = pb::CreateSessionRequest { attributes: map(&[("latchkey.x", "1"), ("cart", "1")]), ..sso(USER) };
    let (session, _) = created(&mut client, request).await;
    for (given, expected) in [
        (map(&[]), map(&[("latchkey.x", "1")])),
        (map(&[("latchkey.x", "2"), ("latchkey.y", "2"), ("cart", "2")]), map(&[("latchkey.x", "1"), ("cart", "2")])),
    ] {
        let request = pb::UpdateSessionRequest { attributes: given, ..change(&session, &["attributes"]) };
        assert_eq!(update(&mut client, request).await.unwrap().attributes, expected);
        assert_eq!(get(&mut client, &session.id).await.unwrap().attributes, expected);
    }
}

async fn a_repeated_key_has_one_effect(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, sso(USER)).await;
    let first = pb::UpdateSessionRequest { idempotency_key: "k".to_owned(), ..change(&session, &["device_name"]) };
    update(&mut client, first.clone()).await.unwrap();
    let second = pb::UpdateSessionRequest { device_name: "Work".to_owned(), ..change(&session, &["device_name"]) };
    let second = update(&mut client, second).await.unwrap();
    // The late repetition of the first change does not undo the second.
    assert_eq!(update(&mut client, first.clone()).await.unwrap(), second);
    let other = pb::UpdateSessionRequest { device_name: "x".to_owned(), ..first };
    assert_refused(update(&mut client, other).await, Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
}

async fn no_change_undoes_another(service: &Service) {
    let mut client = service.operator();
    let (session, token) = created(&mut client, sso(USER)).await;
    let changes = (0..20).map(|number: usize| {
        let (mut client, path) = (client.clone(), ["device_name", "attributes"][number % 2]);
        let request = change(&session, &[path]);
        tokio::spawn(async move { update(&mut client, request).await.unwrap() })
    });
    let changes: Vec<_> = changes.collect();
    refresh(&mut client, &token).await.unwrap();
    for changed in changes {
        changed.await.unwrap();
    }
    let after = get(&mut client, &session.id).await.unwrap();
    assert_eq!((after.generation, after.device.unwrap().name.as_str()), (2, "Ada's laptop"));
    assert_eq!(after.attributes["theme"], "dark");
}

async fn what_is_over_unknown_or_foreign_is_refused(service: &Service) {
    let (mut ours, mut theirs) = (service.caller_of(TENANT), service.caller_of("other"));
    let (session, _) = created(&mut ours, sso(USER)).await;
    let request = change(&session, &["device_name"]);
    assert_refused(update(&mut theirs, request.clone()).await, Code::NotFound, "SESSION_NOT_FOUND");
    let unknown = pb::UpdateSessionRequest { session_id: "sess_aaaaaaaaaaaaaaaa".to_owned(), ..request.clone() };
    assert_refused(update(&mut ours, unknown).await, Code::NotFound, "SESSION_NOT_FOUND");
    revoke(&mut ours, &session.id).await.unwrap();
    assert_refused(update(&mut ours, request).await, Code::FailedPrecondition, "SESSION_ENDED");
}

async fn every_field_is_checked(service: &Service) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, sso(USER)).await;
    let all = change(&session, &["device_name", "attributes"]);
    let big = |key: String, value: String| HashMap::from([(key, value)]);
    let cases = [
        ("session_id", pb::UpdateSessionRequest { session_id: "x".into(), ..all.clone() }),
        ("update_mask", change(&session, &[])),
        ("update_mask", pb::UpdateSessionRequest { update_mask: None, ..all.clone() }),
        ("update_mask", change(&session, &["user_id"])),
        ("device_name", pb::UpdateSessionRequest { device_name: "x".repeat(129), ..all.clone() }),
        ("device_name", pb::UpdateSessionRequest { device_name: "a\nb".into(), ..all.clone() }),
        ("attributes", pb::UpdateSessionRequest { attributes: big("k".into(), "x".repeat(4096)), ..all.clone() }),
        ("attributes", pb::UpdateSessionRequest { attributes: big(String::new(), "x".into()), ..all.clone() }),
        ("idempotency_key", pb::UpdateSessionRequest { idempotency_key: "x".repeat(129), ..all.clone() }),
    ];
    for (field, request) in cases {
        assert_field(update(&mut client, request).await, field);
    }
    assert_eq!(get(&mut client, &session.id).await.unwrap(), session);
}
