//! Steps that end or create, which may have an idempotency key (I9: one effect, one answer).

use std::collections::BTreeSet;

use session_svc::{
    app::{
        RequestHash,
        create::{CreateSession, Created},
        revoke::{RevokeSession, Revoked},
        revoke_many::{RevokeSessions, RevokedMany},
        update::UpdateSession,
        validate::Presented,
    },
    domain::{
        cutoff,
        end::EndReason,
        filter::Filter,
        id::{ApplicationId, Whose},
        session::{Kind, RefreshMode},
    },
    error::SessionError,
    ports::IdempotencyKey,
};

use super::{
    reference::Refused,
    run::{Run, everything},
    step::{APPLICATIONS, Create, Scope, Step, USERS},
};
use crate::support::{AnyStore, commands, use_cases::caller};

/// A request with a key, and its first answer.
#[derive(Clone, Debug)]
pub struct Answered {
    step: Step,
    key: IdempotencyKey,
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Created(usize),
    Updated(usize),
    Revoked(usize, bool),
    Cut(BTreeSet<usize>),
}

/// What the idempotency key of a step means for it.
enum Before {
    New,
    Answered(Outcome),
    Reused,
}

pub fn domain_scope(scope: Scope) -> cutoff::Scope {
    let owner = commands::owner(USERS[scope.user].0, USERS[scope.user].1);
    cutoff::Scope {
        tenant: owner.tenant,
        user: (!scope.is_tenant).then_some(owner.user),
        application: scope.application.map(application),
        session: None,
    }
}

fn application(number: usize) -> ApplicationId {
    ApplicationId::parse(APPLICATIONS[number]).unwrap()
}

type Keyed = Option<(IdempotencyKey, RequestHash)>;

impl<S: AnyStore> Run<S> {
    fn keyed(&self, step: &Step, scope: &impl std::fmt::Display, key: Option<u8>) -> (Keyed, Before) {
        let Some(key) = key else { return (None, Before::New) };
        let key = IdempotencyKey::within(scope, &key.to_string());
        let hash = RequestHash::of(&caller(None), format!("{step:?}").as_bytes());
        let before = match self.answered.iter().find(|answered| answered.key == key) {
            None => Before::New,
            Some(answered) if answered.step == *step => Before::Answered(answered.outcome.clone()),
            Some(_) => Before::Reused,
        };
        (Some((key, hash)), before)
    }

    fn note(&mut self, step: &Step, key: Keyed, outcome: Outcome) {
        if let Some((key, _)) = key {
            self.answered.push(Answered { step: step.clone(), key, outcome });
        }
    }

    /// The step of an earlier request with a key.
    pub fn earlier(&self, number: usize) -> Option<Step> {
        self.answered.get(number % self.answered.len().max(1)).map(|answered| answered.step.clone())
    }

    pub async fn create(&mut self, step: &Step, create: &Create) {
        let owner = commands::owner(USERS[create.user].0, USERS[create.user].1);
        let (key, before) = self.keyed(step, &owner, create.key);
        let command = CreateSession {
            owner,
            kind: create.kind,
            application: (create.kind != Kind::Sso).then(|| application(create.application)),
            parent: create.parent.map(|parent| self.ids[parent]),
            survives_parent: create.survives_parent,
            keep_signed_in: create.keep_signed_in,
            refresh_mode: if create.is_reusable { RefreshMode::Reusable } else { RefreshMode::Rotate },
            idempotency: key.clone(),
            ..commands::create("acme", "ada")
        };
        let result = self.sessions.create(&caller(None), command).await;
        match before {
            Before::Reused => assert!(is_reused(&result), "I9: another request"),
            Before::Answered(Outcome::Created(number)) => self.created_again(number, result),
            Before::Answered(other) => panic!("I9: {other:?}"),
            Before::New => match self.reference.create(create) {
                Ok(number) => {
                    let created = result.unwrap_or_else(|error| panic!("created: {error:?}"));
                    self.ids.push(created.stored.session.id);
                    self.tokens.push(Vec::new());
                    assert_eq!(created.token.is_none(), create.kind == Kind::Participant);
                    if let Some(token) = &created.token {
                        self.handed_out(number, 1, token);
                    }
                    self.note(step, key, Outcome::Created(number));
                }
                Err(refused) => {
                    let found = match result.map(|created| created.stored.session.id) {
                        Err(SessionError::ScopeClosed(_)) => Refused::ScopeClosed,
                        Err(SessionError::ParentNotFound) => Refused::ParentNotFound,
                        Err(SessionError::ParentEnded) => Refused::ParentEnded,
                        other => panic!("{refused:?}, found {other:?}"),
                    };
                    // Which of two reasons is told where the parent is somebody else's depends on where that one lives.
                    let is_foreign = |parent: usize| self.reference.sessions[parent].user != create.user;
                    let is_either = found == Refused::ParentNotFound && create.parent.is_some_and(is_foreign);
                    assert!(found == refused || is_either, "{refused:?}, found {found:?}");
                }
            },
        }
    }

    fn created_again(&self, number: usize, result: Result<Created, SessionError>) {
        if self.reference.sessions[number].is_forgotten {
            return assert!(matches!(result, Err(SessionError::SessionNotFound)), "forgotten");
        }
        let created = result.unwrap_or_else(|error| panic!("I9: the same answer: {error:?}"));
        assert_eq!(created.stored.session.id, self.ids[number], "I9: one session");
        use secrecy::ExposeSecret as _;
        let first = self.tokens[number].first().map(|(_, _, text)| text.as_str());
        assert_eq!(created.token.as_ref().map(|token| token.expose_secret()), first, "I9: one token");
    }

    pub async fn update(&mut self, step: &Step, session: usize, key: Option<u8>) {
        let id = self.ids[session];
        let (key, before) = self.keyed(step, &id, key);
        let command =
            UpdateSession { id, device_name: Some("telephone".to_owned()), attributes: None, idempotency: key.clone() };
        let result = self.sessions.update(&caller(None), &command).await;
        let is_forgotten = self.reference.sessions[session].is_forgotten;
        match before {
            _ if is_forgotten => assert!(matches!(result, Err(SessionError::SessionNotFound)), "forgotten"),
            Before::Reused => assert!(is_reused(&result), "I9: another request"),
            Before::Answered(outcome) => {
                assert_eq!((outcome, result.is_ok()), (Outcome::Updated(session), true), "I9: the same answer");
            }
            Before::New if self.reference.is_alive(session) => {
                result.unwrap();
                self.note(step, key, Outcome::Updated(session));
            }
            Before::New => assert!(matches!(result, Err(SessionError::SessionEnded)), "ended"),
        }
    }

    pub async fn revoke(&mut self, step: &Step, session: usize, key: Option<u8>) {
        let id = self.ids[session];
        let (key, before) = self.keyed(step, &id, key);
        let command = RevokeSession {
            presented: Presented::Id(id),
            reason: EndReason::Admin,
            comment: String::new(),
            idempotency: key.clone(),
        };
        let result = self.sessions.revoke(&caller(None), &command).await;
        let found = |result: Result<Revoked, SessionError>| result.unwrap().already_ended;
        let is_forgotten = self.reference.sessions[session].is_forgotten;
        match before {
            _ if is_forgotten => assert!(matches!(result, Err(SessionError::SessionNotFound)), "forgotten"),
            Before::Reused => assert!(is_reused(&result), "I9: another request"),
            Before::Answered(outcome) => {
                assert_eq!(outcome, Outcome::Revoked(session, found(result)), "I9: the same answer");
            }
            Before::New => {
                let already_ended = self.reference.revoke(session, None);
                assert_eq!(found(result), already_ended, "already ended");
                self.note(step, key, Outcome::Revoked(session, already_ended));
            }
        }
    }

    pub async fn cut(&mut self, step: &Step, scope: Scope, key: Option<u8>) {
        let domain = domain_scope(scope);
        let filter = Filter {
            user: domain.user.clone(),
            applications: domain.application.iter().cloned().collect(),
            ..everything(&domain.tenant)
        };
        let (key, before) = self.keyed(step, &filter.whose(), key);
        let result = self.revoke_many(filter, EndReason::Logout, key.clone()).await;
        match before {
            Before::Reused => assert!(is_reused(&result), "I9: another request"),
            Before::Answered(outcome) => {
                assert_eq!(outcome, Outcome::Cut(self.numbers(&result.unwrap())), "I9: the same answer");
            }
            Before::New => {
                let expected: BTreeSet<usize> = self.reference.alive_in(scope).into_iter().collect();
                assert_eq!(self.numbers(&result.unwrap()), expected, "what ended");
                self.reference.cut(scope);
                self.note(step, key, Outcome::Cut(expected));
            }
        }
    }

    /// Ends all sessions of the owner of one but this one.
    pub async fn revoke_others(&mut self, session: usize) {
        let user = self.reference.sessions[session].user;
        let owner = commands::owner(USERS[user].0, USERS[user].1);
        let whose = Whose::Owner(owner.clone());
        let filter = Filter { user: Some(owner.user), except: Some(self.ids[session]), ..everything(&owner.tenant) };
        assert_eq!(filter.whose(), whose);
        let ended = self.revoke_many(filter, EndReason::Admin, None).await.unwrap();
        let mut chosen = self.reference.alive_in(Scope { user, is_tenant: false, application: None });
        chosen.retain(|other| *other != session);
        assert!(self.numbers(&ended).is_subset(&chosen.iter().copied().collect()), "what ended");
        // Newest first, by id within a millisecond; the parent of the one that stays spares it.
        chosen.sort_by_key(|other| (self.reference.sessions[*other].created_at, self.ids[*other]));
        for other in chosen.into_iter().rev() {
            self.reference.revoke(other, Some(session));
        }
    }

    async fn revoke_many(
        &self,
        filter: Filter,
        reason: EndReason,
        idempotency: Keyed,
    ) -> Result<RevokedMany, SessionError> {
        let command = RevokeSessions { filter, is_dry_run: false, reason, comment: String::new(), idempotency };
        self.sessions.revoke_many(&caller(None), &command).await
    }

    fn numbers(&self, revoked: &RevokedMany) -> BTreeSet<usize> {
        assert_eq!(revoked.count, revoked.ids.len());
        let number = |id: &String| self.ids.iter().position(|known| known.to_string() == *id);
        revoked.ids.iter().map(|id| number(id).expect("a session of this history")).collect()
    }
}

fn is_reused<T>(result: &Result<T, SessionError>) -> bool {
    matches!(result, Err(SessionError::IdempotencyKeyReused))
}
