//! The audit trail: written with the change, or not at all.

use std::{sync::Arc, time::Duration};

use auth_svc::{
    domain::{
        audit::{AuditEntry, AuditFilter},
        event::{Event, What},
        tenant::Tenant,
        user::{Login, User, UserChange, UserId},
    },
    ports::Store,
};
use svc_kit::{clock::Timestamp, entropy::OsEntropy};

use super::on_both_stores;

const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);

on_both_stores!(
    an_entry_says_who_did_what_when_and_from_where,
    what_did_not_happen_is_not_on_record,
    entries_are_chosen_and_continued,
    old_entries_are_forgotten,
);

fn later(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

fn event(seconds: u64, actor: &str, what: What) -> Event {
    let (tenant, actor, from) = ("one".to_owned(), actor.to_owned(), "192.0.2.7".to_owned());
    Event { at: later(seconds), tenant, actor, from, what }
}

fn everything() -> AuditFilter {
    AuditFilter {
        tenant: "one".to_owned(),
        actor: String::new(),
        action: String::new(),
        subject: String::new(),
        after: Timestamp::EPOCH,
        before: later(1_000_000),
    }
}

async fn entries<S: Store>(store: &S, filter: &AuditFilter) -> Vec<AuditEntry> {
    store.audit_entries(filter, i64::MAX, 100).await.unwrap().into_iter().map(|(_, entry)| entry).collect()
}

async fn an_entry_says_who_did_what_when_and_from_where<S: Store>(store: Arc<S>) {
    let what =
        What::LoginFailed { user: "user_x".to_owned(), application: "shop".to_owned(), reason: "WRONG_PASSWORD" };
    store.tell(&event(3, "", what)).await.unwrap();
    let entry = AuditEntry {
        at: later(3),
        tenant: "one".to_owned(),
        action: "user.login.failed".to_owned(),
        actor: String::new(),
        subject: "user_x".to_owned(),
        user: "user_x".to_owned(),
        application: "shop".to_owned(),
        from: "192.0.2.7".to_owned(),
        details: [("reason".to_owned(), "WRONG_PASSWORD".to_owned())].into(),
    };
    assert_eq!(entries(&*store, &everything()).await, [entry]);
}

async fn what_did_not_happen_is_not_on_record<S: Store>(store: Arc<S>) {
    let tenant = Tenant::new("one", "One", NOW);
    assert!(store.add_tenant(&tenant, &event(0, "a", What::TenantCreated)).await.unwrap());
    let user = User {
        id: UserId::generate(&OsEntropy),
        tenant: "one".to_owned(),
        login: Login::parse("ada@example.com").unwrap(),
        name: String::new(),
        password_hash: String::new(),
        is_disabled: false,
        epoch: 0,
        created_at: NOW,
        claims: [].into(),
        is_email_verified: false,
        updated_at: NOW,
        must_change_password: false,
    };
    let created = event(1, "a", What::UserCreated(user.id.to_string()));
    assert!(store.add_user(&user, &created).await.unwrap());
    // Each of these changes nothing.
    assert!(!store.add_tenant(&tenant, &event(2, "b", What::TenantCreated)).await.unwrap());
    let twin = User { id: UserId::generate(&OsEntropy), ..user.clone() };
    assert!(!store.add_user(&twin, &event(2, "b", What::UserCreated(twin.id.to_string()))).await.unwrap());
    let enabled = event(2, "b", What::UserEnabled(user.id.to_string()));
    assert_eq!(store.change_user(&user.id, &UserChange::Enable, &enabled, None).await.unwrap(), None);
    let stale = Tenant { revision: 9, ..tenant };
    assert!(!store.replace_tenant(&stale, &event(2, "b", What::TenantSuspended)).await.unwrap());
    let seen = entries(&*store, &everything()).await;
    let seen: Vec<(&str, &str)> = seen.iter().map(|entry| (entry.action.as_str(), entry.subject.as_str())).collect();
    assert_eq!(seen, [("user.created", user.id.as_str()), ("tenant.created", "one")]);
}

async fn filled<S: Store>(store: &S) {
    for (seconds, actor, what) in [
        (1, "operator:a", What::UserCreated("user_x".to_owned())),
        (2, "operator:b", What::UserDisabled("user_y".to_owned())),
        (3, "operator:a", What::ApplicationCreated { application: "shop".to_owned(), logout_uri: String::new() }),
        (4, "", What::Logout { user: "user_x".to_owned(), application: "shop".to_owned(), session: "s".to_owned() }),
    ] {
        store.tell(&event(seconds, actor, what)).await.unwrap();
    }
    let elsewhere = Event { tenant: "two".to_owned(), ..event(5, "operator:a", What::TenantCreated) };
    store.tell(&elsewhere).await.unwrap();
}

async fn entries_are_chosen_and_continued<S: Store>(store: Arc<S>) {
    filled(&*store).await;
    let text = |text: &str| text.to_owned();
    for (filter, expected) in [
        (everything(), "4321"),
        (AuditFilter { actor: text("operator:a"), ..everything() }, "31"),
        (AuditFilter { action: text("user"), ..everything() }, "421"),
        (AuditFilter { action: text("user.created"), ..everything() }, "1"),
        (AuditFilter { action: text("us"), ..everything() }, ""),
        (AuditFilter { action: text("%"), ..everything() }, ""),
        (AuditFilter { subject: text("user_x"), ..everything() }, "41"),
        (AuditFilter { subject: text("shop"), ..everything() }, "43"),
        (AuditFilter { after: later(2), before: later(4), ..everything() }, "32"),
        (AuditFilter { tenant: text("two"), ..everything() }, "5"),
        (AuditFilter { actor: text("operator:a"), subject: text("shop"), ..everything() }, "3"),
    ] {
        let found = entries(&*store, &filter).await;
        let seconds: String = found.iter().map(|entry| entry.at.duration_since(NOW).as_secs().to_string()).collect();
        assert_eq!(seconds, expected, "{filter:?}");
    }
    let first = store.audit_entries(&everything(), i64::MAX, 3).await.unwrap();
    let rest = store.audit_entries(&everything(), first[2].0, 3).await.unwrap();
    assert_eq!((first.len(), rest.len()), (3, 1));
    assert_eq!(rest[0].1.at, later(1));
}

async fn old_entries_are_forgotten<S: Store>(store: Arc<S>) {
    filled(&*store).await;
    assert_eq!(store.forget_audit_entries(later(3)).await.unwrap(), 2);
    assert_eq!(store.forget_audit_entries(later(3)).await.unwrap(), 0);
    assert_eq!(entries(&*store, &everything()).await.len(), 2);
}
