//! What policies come to, one over the other.

use std::time::Duration;

use super::*;

fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn scope(application: Option<&str>) -> PolicyScope {
    let application = application.map(|id| ApplicationId::parse(id).unwrap());
    PolicyScope { tenant: tenant(), application }
}

fn stored(application: Option<&str>, version: u64, idle_s: u64) -> StoredPolicy {
    let idle_timeout = Some(Duration::from_secs(idle_s));
    let policy = Policy { application: Limits { idle_timeout, ..Limits::default() }, ..Policy::default() };
    let updated_at = Timestamp::EPOCH;
    StoredPolicy { scope: scope(application), policy, version, updated_at, updated_by: "ada".to_owned() }
}

#[test]
fn the_nearest_policy_that_speaks_counts() {
    let mut set = PolicySet::default();
    set.insert(stored(None, 1, 10));
    set.insert(stored(Some("web"), 2, 20));
    let read = |application: &str| {
        let application = ApplicationId::parse(application).unwrap();
        set.around(&tenant(), Some(&application)).first(|policy| policy.application.idle_timeout)
    };
    let sourced = |secs, source| Some(Sourced { value: Duration::from_secs(secs), source });
    assert_eq!(read("web"), sourced(20, Source::Application));
    assert_eq!(read("other"), sourced(10, Source::Tenant));
    let stranger = TenantId::parse("other").unwrap();
    assert_eq!(set.around(&stranger, None).first(|policy| policy.application.idle_timeout), None);
}

#[test]
fn an_older_version_does_not_replace_a_newer_one() {
    let mut set = PolicySet::default();
    set.insert(stored(None, 5, 10));
    set.insert(stored(None, 4, 20));
    assert_eq!(set.get(&scope(None)).unwrap().version, 5);
    set.insert(stored(None, 6, 30));
    assert_eq!((set.get(&scope(None)).unwrap().version, set.len()), (6, 1));
}

#[test]
fn values_are_good_within_their_bounds_only() {
    let limits = |secs| Limits { idle_timeout: Some(Duration::from_secs(secs)), ..Limits::default() };
    let fails = |policy: Policy| policy.check(&scope(None)).err().map(|error| error.field);
    let day = 24 * 3600;
    for (secs, is_good) in [(0, false), (1, true), (400 * day, true), (400 * day + 1, false)] {
        let field = fails(Policy { sso: limits(secs), ..Policy::default() });
        assert_eq!(field, (!is_good).then(|| "sso.idle_timeout".to_owned()), "{secs}");
    }
    let grace = |secs| fails(Policy { rotation_grace: Some(Duration::from_secs(secs)), ..Policy::default() });
    assert_eq!((grace(60), grace(61)), (None, Some("rotation_grace".to_owned())));
    let of_application = Policy { sso: limits(1), ..Policy::default() };
    assert_eq!(of_application.check(&scope(Some("web"))).unwrap_err().field, "sso");
}
