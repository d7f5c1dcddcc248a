//! Clients that do random things at random replicas and record what they were told.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering::SeqCst},
};
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use secrecy::ExposeSecret as _;
use session_svc::{
    app::{
        Sessions,
        create::CreateSession,
        refresh::RefreshSession,
        revoke::RevokeSession,
        revoke_many::RevokeSessions,
        touch::TouchSession,
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
};
use svc_kit::clock::ManualClock;

use super::replica::{Replica, SHARDS, Store};
use crate::{
    model::everything,
    support::{commands, use_cases::caller},
};

const USERS: [&str; 3] = ["ada", "grace", "edsger"];
/// A replica is killed every so many calls.
const KILL_EVERY: u64 = 60;

/// What somebody was told. Unknown outcomes are not recorded: they allow anything.
#[derive(Clone, Debug)]
pub enum Told {
    Created {
        user: usize,
    },
    Alive,
    Over,
    Refreshed {
        generation: u32,
        token: String,
        is_replay: bool,
    },
    Revoked,
    /// Every session of the user.
    Cut {
        user: usize,
    },
}

/// A call: when it began and when its answer was there, in the order of all beginnings and answers.
#[derive(Clone, Debug)]
pub struct Call {
    pub began: u64,
    pub answered: u64,
    /// The session; none for cutoffs.
    pub session: Option<SessionId>,
    pub told: Told,
}

/// What the clients share.
pub struct World {
    pub replicas: Vec<Replica>,
    pub clock: Arc<ManualClock>,
    pub calls: Mutex<Vec<Call>>,
    /// Sessions that clients know, with the tokens that they were given.
    known: Mutex<Vec<(SessionId, Vec<String>)>>,
    time: AtomicU64,
}

impl World {
    pub fn new(replicas: Vec<Replica>, clock: Arc<ManualClock>) -> Self {
        let (calls, known) = (Mutex::default(), Mutex::default());
        Self { replicas, clock, calls, known, time: AtomicU64::new(0) }
    }

    /// Does `count` random things.
    pub async fn client(&self, seed: u64, count: usize) {
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..count {
            let began = self.time.fetch_add(1, SeqCst);
            self.clock.advance(Duration::from_millis(random.random_range(0..400)));
            if began % KILL_EVERY == KILL_EVERY - 1 {
                self.replicas[random.random_range(0..self.replicas.len())].restart();
            }
            let told = self.act(&mut random).await;
            let answered = self.time.fetch_add(1, SeqCst);
            if let Some((session, told)) = told {
                self.calls.lock().unwrap().push(Call { began, answered, session, told });
            }
        }
    }

    async fn act(&self, random: &mut StdRng) -> Option<(Option<SessionId>, Told)> {
        let replica = &self.replicas[random.random_range(0..self.replicas.len())];
        let choice = random.random_range(0..100);
        let (id, token) = match self.choose(random) {
            Some(chosen) if choice >= 15 => chosen,
            _ => return self.create(replica, random.random_range(0..USERS.len()), random.random_bool(0.5)).await,
        };
        let told = match choice {
            15..50 => self.validate(replica, id, random.random_bool(0.5)).await,
            50..82 => self.refresh(replica, id, token).await,
            82..88 => {
                let command = TouchSession { presented: Presented::Id(id), ip_address: String::new() };
                let touch = replica.call(async move |sessions| sessions.touch(&caller(None), &command).await.is_ok());
                touch.await.filter(|is_ok| *is_ok).map(|_| Told::Alive)
            }
            88..94 => self.revoke(replica, id).await,
            94..97 => {
                let sweep = async |sessions: Arc<Sessions<Store>>| {
                    for shard in 0..SHARDS {
                        let _ = sessions.sweep(Shard(shard)).await;
                    }
                };
                replica.call(async move |sessions| sweep(sessions).await).await;
                None
            }
            _ => return self.cut(replica, random.random_range(0..USERS.len())).await.map(|told| (None, told)),
        };
        told.map(|told| (Some(id), told))
    }

    /// One of the youngest sessions, and mostly its newest token.
    fn choose(&self, random: &mut StdRng) -> Option<(SessionId, String)> {
        let known = self.known.lock().unwrap();
        let (id, tokens) = known.iter().rev().nth(random.random_range(0..6))?;
        let back = if random.random_bool(0.15) { 1 } else { 0 };
        Some((*id, tokens.iter().rev().nth(back).or(tokens.last())?.clone()))
    }

    async fn create(&self, replica: &Replica, user: usize, is_reusable: bool) -> Option<(Option<SessionId>, Told)> {
        let refresh_mode = if is_reusable { RefreshMode::Reusable } else { RefreshMode::Rotate };
        let command = CreateSession { refresh_mode, ..commands::create("acme", USERS[user]) };
        let created = replica.call(async move |sessions| sessions.create(&caller(None), command).await).await?.ok()?;
        let (id, token) = (created.stored.session.id, created.token?.expose_secret().to_owned());
        self.known.lock().unwrap().push((id, vec![token]));
        Some((Some(id), Told::Created { user }))
    }

    async fn validate(&self, replica: &Replica, id: SessionId, is_interactive: bool) -> Option<Told> {
        let command = ValidateSession { presented: Presented::Id(id), is_interactive, ip_address: String::new() };
        let verdict =
            replica.call(async move |sessions| sessions.validate(&caller(None), &command).await).await?.ok()?;
        Some(if matches!(verdict, Verdict::Active(..)) { Told::Alive } else { Told::Over })
    }

    async fn refresh(&self, replica: &Replica, id: SessionId, token: String) -> Option<Told> {
        let token = PresentedToken::parse(&token).unwrap();
        let command = RefreshSession { token, application: None, origin: Origin::default() };
        let refreshed = replica.call(async move |sessions| sessions.refresh(&caller(None), &command).await).await?;
        // A refusal says nothing about the session: the token may be an old one.
        let refreshed = refreshed.ok()?;
        let token = refreshed.token.expose_secret().to_owned();
        let generation = refreshed.stored.session.token.generation;
        let mut known = self.known.lock().unwrap();
        if let Some((_, tokens)) = known.iter_mut().find(|(known, tokens)| *known == id && !tokens.contains(&token)) {
            tokens.push(token.clone());
        }
        Some(Told::Refreshed { generation, token, is_replay: refreshed.is_replay })
    }

    async fn revoke(&self, replica: &Replica, id: SessionId) -> Option<Told> {
        let command = RevokeSession {
            presented: Presented::Id(id),
            reason: EndReason::Logout,
            comment: String::new(),
            idempotency: None,
        };
        replica.call(async move |sessions| sessions.revoke(&caller(None), &command).await).await?.ok()?;
        Some(Told::Revoked)
    }

    async fn cut(&self, replica: &Replica, user: usize) -> Option<Told> {
        let owner = commands::owner("acme", USERS[user]);
        let command = RevokeSessions {
            filter: Filter { user: Some(owner.user), ..everything(&owner.tenant) },
            is_dry_run: false,
            reason: EndReason::Admin,
            comment: String::new(),
            idempotency: None,
        };
        replica.call(async move |sessions| sessions.revoke_many(&caller(None), &command).await).await?.ok()?;
        Some(Told::Cut { user })
    }
}
