//! Idle timeouts by the time of the week.

use std::time::Duration;

use proto::session::v1::{self as pb, ValueSource, Weekday};

use crate::support::*;

on_each_store!(
    four_hours_on_weekdays_and_twelve_on_weekends,
    a_schedule_holds_at_once,
    a_schedule_is_explained,
    an_applications_timeout_replaces_the_tenants_schedule,
    every_field_is_checked,
);

const DAY: Duration = Duration::from_secs(24 * 3600);

fn window(days: &[Weekday], from: &str, until: &str, idle_timeout: Option<prost_types::Duration>) -> pb::IdleWindow {
    let days = days.iter().map(|day| i32::from(*day)).collect();
    pb::IdleWindow { days, from: from.to_owned(), until: until.to_owned(), idle_timeout }
}

fn scheduled(time_zone: &str, windows: Vec<pb::IdleWindow>) -> pb::Policy {
    let idle_schedule = Some(pb::IdleSchedule { time_zone: time_zone.to_owned(), windows });
    let application = Some(pb::SessionLimits { idle_timeout: hours(4), absolute_lifetime: None, idle_schedule });
    pb::Policy { application, ..application_policy(APPLICATION) }
}

/// 4 hours on weekdays, 12 hours on weekends.
fn weekends() -> pb::Policy {
    scheduled("Europe/Berlin", vec![window(&[Weekday::Saturday, Weekday::Sunday], "", "", hours(12))])
}

/// The service's clock starts on a Monday at 13:00 in Berlin; how far it must go for another day and hour there.
fn until(day: u32, hour: u32) -> Duration {
    DAY * day + HOUR * hour - HOUR * 13
}

async fn ends_after(service: &Service, pause: Duration) {
    let mut client = service.operator();
    let (session, _) = created(&mut client, in_application(USER, APPLICATION)).await;
    service.clock.advance(pause - MS);
    assert!(is_active(&mut client, &session.id).await, "{pause:?} - 1 ms");
    service.clock.advance(MS);
    assert!(!is_active(&mut client, &session.id).await, "{pause:?}");
    service.events.are(&session.id, &["session.created", "session.expired"]).await;
}

async fn four_hours_on_weekdays_and_twelve_on_weekends(service: &Service) {
    put(&mut service.policies(), weekends()).await.unwrap();
    ends_after(service, 4 * HOUR).await;
    // Monday 17:00, to Friday 23:00: into the weekend.
    service.clock.advance(until(4, 23) - 4 * HOUR);
    ends_after(service, 12 * HOUR).await;
    // Saturday 11:00, to Sunday 15:00: on Monday at midnight nine hours are too many.
    service.clock.advance(28 * HOUR);
    ends_after(service, 9 * HOUR).await;
}

async fn a_schedule_holds_at_once(service: &Service) {
    let mut client = service.operator();
    let (session, token) = created(&mut client, in_application(USER, APPLICATION)).await;
    service.clock.advance(3 * HOUR);
    put(&mut service.policies(), weekends()).await.unwrap();
    assert!(is_active(&mut client, &session.id).await);
    refresh(&mut client, &token).await.unwrap();
    service.clock.advance(4 * HOUR - MS);
    assert!(is_active(&mut client, &session.id).await);
    service.clock.advance(MS);
    assert!(!is_active(&mut client, &session.id).await);
}

async fn a_schedule_is_explained(service: &Service) {
    let mut client = service.operator();
    put(&mut service.policies(), weekends()).await.unwrap();
    service.clock.advance(until(6, 15));
    let (session, _) = created(&mut client, in_application(USER, APPLICATION)).await;
    let explained = explain(&mut service.policies(), &session.id).await.unwrap();
    let (idle, schedule) = (explained.idle.unwrap(), explained.idle_schedule.unwrap());
    assert_eq!((idle.in_force, idle.source()), (hours(9), ValueSource::ApplicationPolicy));
    assert_eq!((schedule.outside, schedule.applies_now), (hours(4), hours(12)));
    assert_eq!(schedule.source(), ValueSource::ApplicationPolicy);
    assert_eq!(schedule.schedule.unwrap().windows[0].until, "24:00");
}

async fn an_applications_timeout_replaces_the_tenants_schedule(service: &Service) {
    let mut client = service.operator();
    put(&mut service.policies(), pb::Policy { application_id: String::new(), ..weekends() }).await.unwrap();
    put(&mut service.policies(), pb::Policy { application: idle(2), ..application_policy("strict") }).await.unwrap();
    service.clock.advance(until(5, 13));
    let pause =
        |session: &pb::Session| (session.idle_expires_at.unwrap().seconds - session.created_at.unwrap().seconds) / 3600;
    let (strict, _) = created(&mut client, in_application(USER, "strict")).await;
    let (other, _) = created(&mut client, in_application(USER, "other")).await;
    assert_eq!((pause(&strict), pause(&other)), (2, 12));
}

async fn every_field_is_checked(service: &Service) {
    let mut client = service.policies();
    let monday = [Weekday::Monday];
    let good = || window(&monday, "08:00", "18:00", hours(1));
    let unknown = pb::IdleWindow { days: vec![8], ..good() };
    let cases = [
        ("time_zone", scheduled("Middle-earth/Bree", vec![good()])),
        ("windows", scheduled("UTC", vec![])),
        ("windows", scheduled("UTC", vec![good(); 17])),
        ("windows[1].days", scheduled("UTC", vec![good(), window(&[], "08:00", "18:00", hours(1))])),
        ("windows[0].days", scheduled("UTC", vec![unknown])),
        ("windows[0].from", scheduled("UTC", vec![window(&monday, "8:00", "18:00", hours(1))])),
        ("windows[0].until", scheduled("UTC", vec![window(&monday, "08:00", "24:01", hours(1))])),
        ("windows[0].until", scheduled("UTC", vec![window(&monday, "18:00", "18:00", hours(1))])),
        ("windows[0].idle_timeout", scheduled("UTC", vec![window(&monday, "", "", None)])),
        ("windows[0].idle_timeout", scheduled("UTC", vec![window(&monday, "", "", hours(7 * 24 + 1))])),
    ];
    for (field, policy) in cases {
        assert_field(put(&mut client, policy).await, &format!("policy.application.idle_schedule.{field}"));
    }
}
