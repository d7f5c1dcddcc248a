//! Runs a history through the use cases and through the reference, and compares them after every step.

use std::{collections::HashMap, sync::Arc};

use futures::future::{BoxFuture, join_all};
use prost::Message as _;
use proto::event::v1::Event;
use secrecy::{ExposeSecret as _, SecretString};
use session_svc::{
    app::{
        Sessions,
        validate::{Presented, ValidateSession, Verdict},
    },
    domain::{
        filter::Filter,
        id::{SessionId, Shard, TenantId},
        session::Kind,
        token::PresentedToken,
    },
};
use svc_kit::clock::{ManualClock, Timestamp};

use super::{
    answers::Answered,
    reference::Reference,
    step::{Token, USERS},
};
use crate::support::{AnyStore, commands, use_cases::caller, waiting_events};

/// Counts the events that wait in a store.
pub type Waiting = Box<dyn Fn() -> BoxFuture<'static, usize> + Send + Sync>;

/// A history under way.
pub struct Run<S> {
    pub sessions: Sessions<S>,
    pub clock: Arc<ManualClock>,
    pub waiting: Waiting,
    pub reference: Reference,
    /// Ids of the reference's sessions.
    pub ids: Vec<SessionId>,
    /// Every token that was handed out, by session: epoch, generation, text.
    pub tokens: Vec<Vec<(u32, u32, String)>>,
    pub answered: Vec<Answered>,
    told: HashMap<String, Vec<(String, u64)>>,
    cutoffs_told: usize,
}

impl<S: AnyStore> Run<S> {
    pub fn new(sessions: Sessions<S>, clock: Arc<ManualClock>, waiting: Waiting, reference: Reference) -> Self {
        Self {
            sessions,
            clock,
            waiting,
            reference,
            ids: Vec::new(),
            tokens: Vec::new(),
            answered: Vec::new(),
            told: HashMap::new(),
            cutoffs_told: 0,
        }
    }

    pub fn wait_ms(&mut self, ms: i64) {
        self.reference.now += ms;
        self.clock.set(Timestamp::from_ms(self.reference.now));
    }

    /// A token of a session: its text, and, unless it is forged, its epoch and generation.
    pub fn token(&self, session: usize, token: Token) -> Option<(PresentedToken, Option<(u32, u32)>)> {
        let handed_out = &self.tokens[session];
        let (Token::Back(_) | Token::Forged) = token;
        let back = if let Token::Back(back) = token { back } else { 0 };
        let (epoch, generation, text) = handed_out.iter().rev().nth(back % handed_out.len().max(1))?;
        if token == Token::Forged {
            let last = if text.ends_with('A') { "E" } else { "A" };
            let forged = format!("{}{last}", &text[..text.len() - 1]);
            return PresentedToken::parse(&forged).ok().map(|forged| (forged, None));
        }
        Some((PresentedToken::parse(text).unwrap(), Some((*epoch, *generation))))
    }

    /// I2: one generation has one token, for ever.
    pub fn handed_out(&mut self, session: usize, generation: u32, token: &SecretString) {
        let (epoch, text) = (self.reference.sessions[session].epoch, token.expose_secret().to_owned());
        let presented = PresentedToken::parse(&text).unwrap();
        assert_eq!((presented.session, presented.generation), (self.ids[session], generation), "I2: of this session");
        let before = self.tokens[session].iter().find(|(e, g, _)| (*e, *g) == (epoch, generation));
        match before {
            Some((_, _, before)) => assert_eq!(*before, text, "I2: two tokens of generation {generation}"),
            None => self.tokens[session].push((epoch, generation, text)),
        }
    }

    /// Compares everything that can be seen with the reference.
    pub async fn check(&mut self) {
        self.take_events().await;
        let known = 0..self.ids.len();
        join_all(known.map(|session| self.check_session(session))).await;
        for tenant in 0..USERS.len() {
            self.check_lists(tenant).await;
        }
    }

    /// I3, I4: what was told is what happened, once and in order.
    async fn take_events(&mut self) {
        if (self.waiting)().await > 0 {
            let shards: Vec<Shard> = (0..self.sessions.store.shards()).map(Shard).collect();
            for (shard, revision, message) in waiting_events(&*self.sessions.store, &shards, 10_000).await {
                let event = Event::decode(message.body).unwrap();
                if event.r#type == "sessions.cutoff" {
                    self.cutoffs_told += 1;
                } else {
                    self.told.entry(event.aggregate_id).or_default().push((event.r#type, event.sequence));
                }
                self.sessions.store.remove(&[(shard, revision)]).await.unwrap();
            }
        }
        assert_eq!(self.cutoffs_told, self.reference.cutoffs_told, "I4: cutoffs told");
        assert_eq!(self.told.len(), self.ids.len(), "I4: events of sessions that do not exist, or none of some");
        for (id, known) in self.ids.iter().zip(&self.reference.sessions) {
            let expected: Vec<(String, u64)> =
                known.events.iter().zip(1..).map(|(name, n)| ((*name).to_owned(), n)).collect();
            assert_eq!(self.told[&id.to_string()], expected, "I3, I4: events of {id}");
        }
    }

    /// I1, I2, I7: it is alive exactly as long as it should be, and its token is of the generation that it should be.
    async fn check_session(&self, session: usize) {
        let (id, known, end) = (self.ids[session], &self.reference.sessions[session], self.reference.end_of(session));
        let validate =
            ValidateSession { presented: Presented::Id(id), is_interactive: false, ip_address: String::new() };
        let verdict = self.sessions.validate(&caller(None), &validate).await.unwrap();
        match (&verdict, end) {
            (Verdict::NotFound, _) if known.is_forgotten || known.kind == Kind::Participant => {}
            (Verdict::Active(found, _), None) => {
                assert_eq!(found.token.generation, known.generation, "I2: generation of {id}");
                assert_eq!(found.last_active_at.as_ms(), known.last_active_at, "last activity of {id}");
                let (idle, absolute) = self.reference.deadlines(session);
                let found = (found.idle_deadline().as_ms(), found.absolute_deadline().as_ms());
                assert_eq!(found, (idle, absolute), "I7: deadlines of {id}");
            }
            (Verdict::Ended(_, _, reason), Some((expected, _))) => assert_eq!(*reason, expected, "I1: end of {id}"),
            _ => panic!("I1, I7: {id} should have ended {end:?}, found {verdict:?}"),
        }
    }

    /// I6: lists and counts know every session.
    async fn check_lists(&self, user: usize) {
        let owner = commands::owner(USERS[user].0, USERS[user].1);
        let filter = Filter { user: Some(owner.user.clone()), ..everything(&owner.tenant) };
        let page = self.sessions.list(&filter, true, None, 1_000).await.unwrap();
        let mut found = HashMap::new();
        for stored in page.sessions {
            assert_eq!(stored.sequence as usize, self.told[&stored.session.id.to_string()].len(), "I4: sequence");
            let end = stored.session.end.as_ref().map(|end| (end.reason, end.at.as_ms()));
            assert!(found.insert(stored.session.id, end).is_none(), "I6: listed twice");
        }
        let of_user = |n: &usize| self.reference.sessions[*n].user == user && !self.reference.sessions[*n].is_forgotten;
        let expected: HashMap<_, _> =
            (0..self.ids.len()).filter(of_user).map(|n| (self.ids[n], self.reference.end_of(n))).collect();
        assert_eq!(found, expected, "I6: sessions of {owner}");
        self.check_tenant(&owner.tenant).await;
    }

    async fn check_tenant(&self, tenant: &TenantId) {
        let known = self.ids.iter().zip(&self.reference.sessions);
        let mut expected: Vec<SessionId> = known
            .clone()
            .filter(|(_, known)| !known.is_forgotten && USERS[known.user].0 == tenant.as_str())
            .map(|(id, _)| *id)
            .collect();
        let page = self.sessions.list(&everything(tenant), false, None, 1_000).await.unwrap();
        let mut found: Vec<SessionId> = page.sessions.iter().map(|stored| stored.session.id).collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "I6: sessions of {tenant}");
        let shards = (0..self.sessions.store.shards()).map(Shard);
        let live = join_all(shards.map(|shard| self.sessions.store.live(shard, tenant, None))).await;
        let unrecorded = known.filter(|(_, known)| !known.is_recorded && USERS[known.user].0 == tenant.as_str());
        let live: u64 = live.into_iter().map(Result::unwrap).sum();
        assert_eq!(live, unrecorded.count() as u64, "I6: living sessions of {tenant}");
    }
}

pub fn everything(tenant: &TenantId) -> Filter {
    Filter {
        tenant: tenant.clone(),
        user: None,
        applications: Vec::new(),
        kinds: Vec::new(),
        states: Vec::new(),
        parent: None,
        device: None,
        ip_address: String::new(),
        created: Default::default(),
        last_active: Default::default(),
        except: None,
    }
}
