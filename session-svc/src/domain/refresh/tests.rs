//! The table of the state machine, and properties that hold whatever is presented when.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use svc_kit::entropy::SeededEntropy;

use super::*;
use crate::domain::{
    cutoff::Cutoffs,
    device::Device,
    id::{Owner, SessionId, Shard, TenantId, UserId},
    policy::Caps,
    revision::Revision,
    session::{Kind, Life, TokenState},
    times::Times,
};

const T0: Timestamp = Timestamp::from_ms(1_000_000_000);
const TIMES: Times = Times { idle_timeout: Duration::from_secs(3600), absolute_lifetime: Duration::from_secs(36_000) };
const GRACE: RefreshTerms = RefreshTerms {
    policy: RefreshPolicy { rotation_grace: Duration::from_secs(10), loss_recovery: Duration::from_secs(60) },
    granted: TIMES,
};

fn at(ms: u64) -> Timestamp {
    T0.saturating_add(Duration::from_millis(ms))
}

fn stored(mode: RefreshMode, generation: u32) -> Stored {
    let owner = Owner { tenant: TenantId::parse("t").unwrap(), user: UserId::parse("u").unwrap() };
    let token = TokenState { mode, generation, salt: [7; 16], rotated_at: T0, confirmed: false, replays: 0 };
    let session = Session {
        id: SessionId::generate(Shard(1), &SeededEntropy::new(1)),
        owner,
        application: None,
        kind: Kind::Sso,
        parent: None,
        survives_parent: false,
        keep_signed_in: false,
        created_at: T0,
        authenticated_at: T0,
        last_active_at: T0,
        times: TIMES,
        limits_since: T0,
        wish: Times::default(),
        caps: Caps::default(),
        amr: vec![],
        acr: String::new(),
        scopes: vec![],
        device: Device::default(),
        attributes: BTreeMap::new(),
        token,
        end: None,
    };
    Stored { session: Arc::new(session), created: Revision { ms: 1, number: 0 }, sequence: 4, births: 0 }
}

fn refresh(stored: &Stored, ms: u64, presented: u32) -> Decision {
    stored.refresh(at(ms), GRACE, presented, &Origin::default())
}

fn next(decision: Decision) -> Stored {
    match decision {
        Decision::Advance { next, .. } | Decision::Replay { next } | Decision::Reuse { next, .. } => next,
        Decision::Impossible => panic!("nothing follows"),
    }
}

#[test]
fn the_current_token_rotates_and_slides() {
    let after = next(refresh(&stored(RefreshMode::Rotate, 5), 700, 5));
    assert_eq!((after.session.token.generation, after.sequence), (6, 5));
    assert_eq!(after.session.last_active_at, at(700));
    assert!(!after.session.token.confirmed);
}

#[test]
fn a_reusable_token_stays_and_slides() {
    let after = next(refresh(&stored(RefreshMode::Reusable, 1), 700, 1));
    assert_eq!((after.session.token.generation, after.session.last_active_at), (1, at(700)));
}

#[test]
fn the_previous_token_repeats_the_step_until_the_window_closes() {
    let mut session = stored(RefreshMode::Rotate, 5);
    for (ms, confirmed, replays, is_replay) in [
        (0, false, 0, true),
        (9_999, true, 0, true),
        (9_999, true, 99, true),
        (9_999, true, 100, false),
        (10_000, true, 0, false),
        (10_000, false, 0, true),
        (59_999, false, 4, true),
        (59_999, false, 5, false),
        (60_000, false, 0, false),
    ] {
        session.session_mut().token.confirmed = confirmed;
        session.session_mut().token.replays = replays;
        let decision = refresh(&session, ms, 4);
        assert_eq!(matches!(decision, Decision::Replay { .. }), is_replay, "{ms} {confirmed} {replays}");
        if is_replay {
            let after = next(decision);
            assert_eq!((after.session.token.generation, after.sequence), (5, 4), "a replay changes a counter only");
            assert_eq!(after.session.last_active_at, T0, "a replay does not slide");
        }
    }
}

#[test]
fn an_older_token_ends_the_session_and_says_so() {
    let Decision::Reuse { next, events } = refresh(&stored(RefreshMode::Rotate, 5), 1, 3) else { panic!() };
    assert_eq!(next.session.end.as_ref().unwrap().reason, EndReason::TokenReuse);
    assert_eq!((events[0].sequence, events[1].sequence, next.sequence), (5, 6, 6));
    assert!(matches!(events[0].what, What::ReuseDetected { presented: 3, .. }));
    assert!(matches!(events[1].what, What::Ended(_)));
    assert_eq!(next.life(at(2), &Cutoffs::default()), Life::Ended(next.session.end.clone().unwrap()));
}

#[test]
fn one_ahead_rolls_forward_and_two_ahead_is_impossible() {
    assert_eq!(next(refresh(&stored(RefreshMode::Rotate, 5), 1, 6)).session.token.generation, 7);
    assert_eq!(refresh(&stored(RefreshMode::Rotate, 5), 1, 7), Decision::Impossible);
}

#[test]
fn limits_are_exact_to_the_millisecond() {
    let session = stored(RefreshMode::Rotate, 1);
    let life = |ms| session.life(at(ms), &Cutoffs::default());
    assert_eq!(life(3_599_999), Life::Alive);
    for ms in [3_600_000, 3_600_001] {
        assert!(matches!(life(ms), Life::Lapsed(End { reason: EndReason::Idle, .. })));
    }
    let mut session = session.clone();
    session.session_mut().last_active_at = at(36_000_000 - 1);
    let life = |ms| session.life(at(ms), &Cutoffs::default());
    assert_eq!(life(35_999_999), Life::Alive);
    for ms in [36_000_000, 36_000_001] {
        assert!(matches!(life(ms), Life::Lapsed(End { reason: EndReason::Absolute, .. })));
    }
}

#[test]
fn a_touch_is_recorded_once_a_grain() {
    let mut stored = stored(RefreshMode::Rotate, 1);
    let session = stored.session_mut();
    assert!(!session.touch(at(59_999), TIMES, "") && session.touch(at(60_000), TIMES, "10.0.0.1"));
    assert_eq!((session.last_active_at, session.device.last_ip_address.as_str()), (at(60_000), "10.0.0.1"));
    assert!(!session.touch(T0, TIMES, ""), "a clock that steps back changes nothing");
}

proptest! {
    /// Whoever presents what when: the generation never goes back, and grows by at most one step at a time.
    #[test]
    fn two_live_chains_never_exist(steps in proptest::collection::vec((0u64..20_000, 0u32..8), 1..60)) {
        let (mut session, mut now) = (stored(RefreshMode::Rotate, 3), 0);
        for (pause, presented) in steps {
            now += pause;
            let before = session.session.token.generation;
            match refresh(&session, now, presented) {
                Decision::Advance { next, .. } => {
                    prop_assert!(presented == before || presented == before + 1);
                    prop_assert_eq!(next.session.token.generation, presented + 1);
                    session = next;
                }
                Decision::Replay { next } => {
                    prop_assert_eq!((presented + 1, next.session.token.generation), (before, before));
                    session = next;
                }
                Decision::Reuse { next, .. } => {
                    prop_assert!(presented < before && next.session.end.is_some());
                    return Ok(());
                }
                Decision::Impossible => prop_assert!(presented > before + 1),
            }
        }
    }
}
