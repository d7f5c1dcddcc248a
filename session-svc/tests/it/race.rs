//! The race that bites session stores: somebody reads, somebody refreshes, and somebody logs out, all at once. A refresh that
//! stores what it read before the logout brings the session back to life. Rounds are run at two replicas on one Redis.
//!
//! `LATCHKEY_RACE_ROUNDS` sets their number (2,000 unless set); each costs the same.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use secrecy::{ExposeSecret as _, SecretString};
use session_svc::{
    app::{
        Sessions,
        refresh::RefreshSession,
        revoke::RevokeSession,
        revoke_many::RevokeSessions,
        validate::{Presented, ValidateSession, Verdict},
    },
    domain::{
        end::EndReason,
        filter::Filter,
        id::{SessionId, Shard},
        refresh::Origin,
        session::RefreshMode,
        token::PresentedToken,
    },
    error::SessionError,
    ports::{Chores, Outbox, SessionStore},
    store::{memory::MemoryStore, redis::RedisStore},
};
use svc_kit::clock::ManualClock;

use crate::{
    model::everything,
    support::{
        commands,
        mutant::{Fault, Mutant},
        service::{START, forget, random_name, redis_url},
        use_cases::{caller, use_cases},
        waiting_events,
    },
};

const ROUNDS: usize = 2_000;
/// Rounds with the same keys. Sessions of the one user pile up, and a mass revocation names them all: with the same keys for ever a
/// round would cost more the later it is.
const ROUNDS_EACH: usize = 500;
/// Rounds in which a broken store has to be found out.
const MUTANT_ROUNDS: usize = 500;

/// One session, and what is known of it.
struct Round<'r, S> {
    replicas: &'r [Sessions<S>; 2],
    id: SessionId,
    token: RefCell<SecretString>,
    /// Whether the logout was acknowledged.
    is_over: Cell<bool>,
    has_come_back: Cell<bool>,
}

impl<S: SessionStore> Round<'_, S> {
    /// Notes an answer that says "alive" to a question that was asked after the logout.
    fn alive(&self, was_over: bool) {
        self.has_come_back.set(self.has_come_back.get() || was_over);
    }

    async fn is_active(&self, replica: usize) -> bool {
        let presented = Presented::Id(self.id);
        let command = ValidateSession { presented, is_interactive: true, ip_address: String::new() };
        matches!(self.replicas[replica].validate(&caller(None), &command).await.unwrap(), Verdict::Active(..))
    }

    async fn read(&self, replica: usize) {
        loop {
            let was_over = self.is_over.get();
            if !self.is_active(replica).await {
                return;
            }
            self.alive(was_over);
            if was_over {
                return;
            }
        }
    }

    async fn refresh(&self, replica: usize) {
        loop {
            let was_over = self.is_over.get();
            let token = PresentedToken::parse(self.token.borrow().expose_secret()).unwrap();
            let command = RefreshSession { token, application: None, origin: Origin::default() };
            match self.replicas[replica].refresh(&caller(None), &command).await {
                Ok(refreshed) => {
                    self.alive(was_over);
                    if was_over {
                        return;
                    }
                    self.token.replace(refreshed.token);
                }
                Err(SessionError::Contention) => {}
                Err(_) => return,
            }
        }
    }

    async fn log_out(&self, replica: usize, is_mass: bool, after: usize) {
        for _ in 0..after {
            self.is_active(replica).await;
        }
        if is_mass {
            let owner = commands::owner("acme", "ada");
            let command = RevokeSessions {
                filter: Filter { user: Some(owner.user), ..everything(&owner.tenant) },
                is_dry_run: false,
                reason: EndReason::Logout,
                comment: String::new(),
                idempotency: None,
            };
            self.replicas[replica].revoke_many(&caller(None), &command).await.unwrap();
        } else {
            let command = RevokeSession {
                presented: Presented::Id(self.id),
                reason: EndReason::Logout,
                comment: String::new(),
                idempotency: None,
            };
            self.replicas[replica].revoke(&caller(None), &command).await.unwrap();
        }
        self.is_over.set(true);
    }
}

/// Runs rounds until a session is alive after its logout; returns the number of that round.
async fn resurrection<S: SessionStore>(replicas: &[Sessions<S>; 2], rounds: usize) -> Option<usize> {
    for number in 0..rounds {
        let refresh_mode = if number % 2 == 0 { RefreshMode::Reusable } else { RefreshMode::Rotate };
        let command = session_svc::app::create::CreateSession { refresh_mode, ..commands::create("acme", "ada") };
        let created = replicas[0].create(&caller(None), command).await.unwrap();
        let round = Round {
            replicas,
            id: created.stored.session.id,
            token: RefCell::new(created.token.unwrap()),
            is_over: Cell::new(false),
            has_come_back: Cell::new(false),
        };
        tokio::join!(
            round.read(0),
            round.read(1),
            round.refresh(0),
            round.refresh(1),
            round.log_out(number % 2, number % 4 < 2, number % 7),
        );
        // When everything is quiet it is still over.
        for replica in 0..replicas.len() {
            round.alive(round.is_active(replica).await);
        }
        if round.has_come_back.get() {
            return Some(number);
        }
    }
    None
}

/// The round in which a session comes back to life at replicas whose stores have a fault.
async fn race(fault: Fault, rounds: usize) -> Option<usize> {
    for before in (0..rounds).step_by(ROUNDS_EACH) {
        let prefix = format!("{}:", random_name());
        let replicas = [(), ()].map(|()| {
            let inner = RedisStore::new(&redis_url(), &prefix, "test", 1, 1).unwrap();
            use_cases(Arc::new(Mutant { inner, fault }), Arc::new(ManualClock::new(START)), &[])
        });
        let found = resurrection(&replicas, ROUNDS_EACH.min(rounds - before)).await;
        forget(&prefix);
        if let Some(number) = found {
            return Some(before + number);
        }
    }
    None
}

#[tokio::test]
async fn no_session_comes_back_to_life() {
    let rounds = std::env::var("LATCHKEY_RACE_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("a number"));
    assert_eq!(race(Fault::None, rounds).await, None, "of {rounds} rounds");
}

/// Without the guard, and without a look at the cutoffs, sessions do come back: the race is one.
#[tokio::test]
async fn without_guards_sessions_come_back_to_life() {
    for fault in [Fault::NoGuard, Fault::NoCutoffs] {
        assert!(race(fault, MUTANT_ROUNDS).await.is_some(), "{fault:?}");
    }
}

/// Logs out while somebody uses the session before each attempt to store its end.
async fn log_out_overtaken<S: Chores + Outbox>(inner: S) -> Arc<Mutant<S>> {
    let store = Arc::new(Mutant { inner, fault: Fault::Overtaken });
    let sessions = use_cases(Arc::clone(&store), Arc::new(ManualClock::new(START)), &[]);
    let session = sessions.create(&caller(None), commands::create("acme", "ada")).await.unwrap().stored.session;
    let other = sessions.create(&caller(None), commands::create("acme", "ada")).await.unwrap().stored.session;
    let command = RevokeSession {
        presented: Presented::Id(session.id),
        reason: EndReason::Logout,
        comment: "enough".to_owned(),
        idempotency: None,
    };
    let revoked = sessions.revoke(&caller(None), &command).await.unwrap();
    let end = revoked.stored.session.end.clone().unwrap();
    assert!(!revoked.already_ended);
    assert_eq!((end.reason, end.comment.as_str(), end.by.as_str()), (EndReason::Logout, "enough", "test"));
    assert!(sessions.revoke(&caller(None), &command).await.unwrap().already_ended);
    assert_eq!(sessions.get(&caller(None), session.id).await.unwrap().session.end, Some(end));
    assert_eq!(sessions.get(&caller(None), other.id).await.unwrap().session.end, None, "it was not asked to end");
    let told = waiting_events(&*store, &[session.id.shard()], 10).await;
    assert_eq!(told.len(), 3, "two are created and one ends");
    store
}

/// What made an end final leaves nothing behind.
async fn has_no_cutoff(store: &impl Chores) {
    assert_eq!(store.unfinished(Shard(0)).await.unwrap(), []);
    assert!(store.cutoffs(Shard(0)).await.unwrap().scopes.is_empty());
}

/// Of two that store at the same time one loses, and it is not for ever the end.
#[tokio::test]
async fn refreshing_without_pause_does_not_keep_the_end_away() {
    let store = log_out_overtaken(MemoryStore::new("test", 1, Arc::new(ManualClock::new(START)))).await;
    has_no_cutoff(&*store).await;
    let prefix = format!("{}:", random_name());
    let open = || RedisStore::new(&redis_url(), &prefix, "test", 1, 1).unwrap();
    log_out_overtaken(open()).await;
    has_no_cutoff(&open()).await;
    forget(&prefix);
}
