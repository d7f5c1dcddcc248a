//! Performs one step on both sides.

use std::time::Duration;

use session_svc::{
    app::{
        policies::PutPolicy,
        reauthenticate::ReauthenticateSession,
        refresh::RefreshSession,
        revoke::RevokeSession,
        scope::{CloseScope, OpenScope},
        touch::TouchSession,
        validate::{Presented, ValidateSession, Verdict},
    },
    domain::{
        end::EndReason,
        id::{Shard, UserId},
        policy::{self, PolicyScope},
        reauthentication::Proof,
        refresh::Origin,
        session::Kind,
        token::PresentedToken,
    },
    error::SessionError,
};

use super::{
    answers::domain_scope,
    reference::Refreshed,
    run::Run,
    step::{Create, Policy, Scope, Step, Token, USERS, Wait},
};
use crate::support::{AnyStore, use_cases::caller};

impl<S: AnyStore> Run<S> {
    /// Performs a step, if it can be; then compares.
    pub async fn step(&mut self, step: &Step) {
        if let Some(step) = self.resolved(step) {
            self.perform(&step).await;
            self.check().await;
        }
    }

    /// The step with sessions that exist; `None` where it needs one and there is none.
    fn resolved(&self, step: &Step) -> Option<Step> {
        let count = self.ids.len();
        let mut step = if let Step::Repeat(number) = step { self.earlier(*number)? } else { step.clone() };
        match &mut step {
            Step::Create(Create { parent: Some(session), .. })
            | Step::Validate { session, .. }
            | Step::Refresh { session, .. }
            | Step::Touch { session, .. }
            | Step::Update { session, .. }
            | Step::Reauthenticate { session, .. }
            | Step::Revoke { session, .. }
            | Step::RevokeOthers { session }
            | Step::Trespass { session }
            | Step::Wait(Wait::Limit { session, .. }) => *session = session.checked_rem(count)?,
            _ => {}
        }
        Some(step)
    }

    async fn perform(&mut self, step: &Step) {
        match step {
            Step::Create(create) => self.create(step, create).await,
            Step::Validate { session, token, is_interactive } => {
                self.validate(*session, *token, *is_interactive).await;
            }
            Step::Refresh { session, token } => self.refresh(*session, *token).await,
            Step::Touch { session, token } => self.touch(*session, *token).await,
            Step::Update { session, key } => self.update(step, *session, *key).await,
            Step::Reauthenticate { session, token, keep_signed_in } => {
                self.reauthenticate(*session, *token, *keep_signed_in).await;
            }
            Step::Revoke { session, key } => self.revoke(step, *session, *key).await,
            Step::Cut { scope, key } => self.cut(step, *scope, *key).await,
            Step::RevokeOthers { session } => self.revoke_others(*session).await,
            Step::Close { scope } => self.close(*scope).await,
            Step::Open { scope } => self.open(*scope).await,
            Step::PutPolicy(policy) => self.put_policy(*policy).await,
            Step::Repeat(_) => unreachable!("resolved"),
            Step::Trespass { session } => self.trespass(*session).await,
            Step::Wait(Wait::Ms(ms)) => self.wait_ms(i64::try_from(*ms).unwrap()),
            Step::Wait(Wait::Limit { session, is_idle, off_by }) => {
                let (idle, absolute) = self.reference.deadlines(*session);
                let limit = if *is_idle { idle } else { absolute };
                self.wait_ms((limit + off_by - self.reference.now).max(0));
            }
            Step::Sweep => self.sweep().await,
            Step::Tidy => {
                for shard in 0..self.sessions.store.shards() {
                    self.sessions.forget_cutoffs(Shard(shard)).await.unwrap();
                }
            }
        }
    }

    /// A token as presented, and whether it is the current one, a spent one (`Some(false)`) or none of ours.
    fn presented(&self, session: usize, token: Option<Token>) -> Option<(Presented, Option<bool>)> {
        let Some(token) = token else { return Some((Presented::Id(self.ids[session]), Some(true))) };
        let (token, made) = self.token(session, token)?;
        let known = &self.reference.sessions[session];
        let standing =
            made.filter(|(epoch, _)| *epoch == known.epoch).map(|(_, generation)| generation == known.generation);
        Some((Presented::Token(token), standing))
    }

    async fn validate(&mut self, session: usize, token: Option<Token>, is_interactive: bool) {
        let Some((presented, standing)) = self.presented(session, token) else { return };
        let command = ValidateSession { presented, is_interactive, ip_address: String::new() };
        let verdict = self.sessions.validate(&caller(None), &command).await.unwrap();
        let known = &self.reference.sessions[session];
        let is_hidden = known.is_forgotten || known.kind == Kind::Participant;
        match (standing, self.reference.is_alive(session)) {
            (None, _) => assert!(matches!(verdict, Verdict::NotFound), "{verdict:?}"),
            _ if is_hidden => assert!(matches!(verdict, Verdict::NotFound), "{verdict:?}"),
            (_, false) => assert!(matches!(verdict, Verdict::Ended(..)), "I1, I7: {verdict:?}"),
            (Some(false), true) => assert!(matches!(verdict, Verdict::TokenSpent(..)), "{verdict:?}"),
            (Some(true), true) => {
                assert!(matches!(verdict, Verdict::Active(..)), "{verdict:?}");
                self.reference.used(session, token.is_some(), is_interactive);
            }
        }
    }

    async fn touch(&mut self, session: usize, token: Option<Token>) {
        let Some((presented, standing)) = self.presented(session, token) else { return };
        let command = TouchSession { presented, ip_address: String::new() };
        let result = self.sessions.touch(&caller(None), &command).await;
        if standing != Some(true) || self.reference.sessions[session].is_forgotten {
            assert!(matches!(result, Err(SessionError::SessionNotFound)), "{result:?}");
        } else if !self.reference.is_alive(session) {
            assert!(matches!(result, Err(SessionError::SessionEnded)), "a touch revives nothing: {result:?}");
        } else {
            result.unwrap();
            self.reference.used(session, token.is_some(), true);
        }
    }

    async fn refresh(&mut self, session: usize, token: Token) {
        let Some((token, made)) = self.token(session, token) else { return };
        let command = RefreshSession { token, application: None, origin: Origin::default() };
        let result = self.sessions.refresh(&caller(None), &command).await;
        let is_forgotten = self.reference.sessions[session].is_forgotten;
        let (epoch, generation) = made.filter(|_| !is_forgotten).unwrap_or((u32::MAX, 0));
        match self.reference.refresh(session, epoch, generation) {
            Refreshed::Refused => assert!(matches!(result, Err(SessionError::TokenRefused)), "I1: refused"),
            outcome => {
                let refreshed = result.unwrap_or_else(|error| panic!("{outcome:?}: {error:?}"));
                assert_eq!(refreshed.is_replay, outcome == Refreshed::Replayed, "I2: one step");
                let generation = self.reference.sessions[session].generation;
                self.handed_out(session, generation, &refreshed.token);
            }
        }
    }

    async fn reauthenticate(&mut self, session: usize, token: Token, keep_signed_in: bool) {
        let Some((token, made)) = self.token(session, token) else { return };
        let known = &self.reference.sessions[session];
        let is_current = made == Some((known.epoch, known.generation));
        let user = UserId::parse(USERS[known.user].1).unwrap();
        let origin = Origin::default();
        let proof = Proof { amr: Vec::new(), acr: String::new(), keep_signed_in, origin };
        let command = ReauthenticateSession { token, user, proof };
        let result = self.sessions.reauthenticate(&caller(None), &command).await;
        if is_current && !known.is_forgotten && self.reference.is_alive(session) {
            self.reference.reauthenticate(session, keep_signed_in);
            let generation = self.reference.sessions[session].generation;
            self.handed_out(session, generation, &result.unwrap().1);
        } else {
            assert!(matches!(result, Err(SessionError::TokenRefused)), "refused");
        }
    }

    async fn close(&mut self, scope: Scope) {
        let command = CloseScope {
            scope: domain_scope(scope),
            reason: EndReason::Logout,
            comment: String::new(),
            idempotency: None,
        };
        let closed = self.sessions.close_scope(&caller(None), &command).await.unwrap();
        assert_eq!(closed.was_closed, self.reference.is_closed(scope));
        self.reference.close(scope);
    }

    async fn open(&mut self, scope: Scope) {
        let command = OpenScope { scope: domain_scope(scope), idempotency: None };
        let was_closed = self.sessions.open_scope(&command).await.unwrap();
        assert_eq!(was_closed, self.reference.is_closed(scope));
        self.reference.open(scope);
    }

    async fn put_policy(&mut self, policy: Policy) {
        let scope = domain_scope(Scope { user: policy.user, is_tenant: true, application: policy.application });
        let ms = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap());
        let limits = policy::Limits {
            idle_timeout: policy.idle.map(ms),
            absolute_lifetime: policy.absolute.map(ms),
            idle_schedule: None,
        };
        let sso = if policy.is_of_sso { limits.clone() } else { policy::Limits::default() };
        let says = policy::Policy { application: limits, sso: sso.clone(), sso_kept: sso, ..Default::default() };
        let scope = PolicyScope { tenant: scope.tenant, application: scope.application };
        says.check(&scope).unwrap();
        let command = PutPolicy { scope, policy: says, expected: None };
        self.sessions.put_policy(&caller(None), command).await.unwrap();
        self.reference.put_policy(policy);
    }

    /// I8: for a caller of another tenant there is no such session, whatever it presents.
    async fn trespass(&mut self, session: usize) {
        let own = USERS[self.reference.sessions[session].user].0;
        let stranger = caller(Some(if own == "acme" { "other" } else { "acme" }));
        let id = self.ids[session];
        assert!(matches!(self.sessions.get(&stranger, id).await, Err(SessionError::SessionNotFound)), "I8");
        let revoke = RevokeSession {
            presented: Presented::Id(id),
            reason: EndReason::Admin,
            comment: String::new(),
            idempotency: None,
        };
        let revoked = self.sessions.revoke(&stranger, &revoke).await;
        assert!(matches!(revoked, Err(SessionError::SessionNotFound)), "I8");
        let newest: Option<(PresentedToken, _)> = self.token(session, Token::Back(0));
        if let Some((token, _)) = newest {
            let refresh = RefreshSession { token, application: None, origin: Origin::default() };
            let refreshed = self.sessions.refresh(&stranger, &refresh).await;
            assert!(matches!(refreshed, Err(SessionError::TokenRefused)), "I8");
        }
    }

    /// Twice: what is recorded in the first round may be old enough to be forgotten in the second.
    async fn sweep(&mut self) {
        for shard in (0..self.sessions.store.shards()).chain(0..self.sessions.store.shards()) {
            self.sessions.settle(Shard(shard)).await.unwrap();
            while self.sessions.sweep(Shard(shard)).await.unwrap() {}
        }
        self.reference.sweep();
    }
}
