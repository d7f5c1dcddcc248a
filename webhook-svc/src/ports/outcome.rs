//! What tries change.

use std::sync::Arc;

use svc_kit::{bus::Message, clock::Timestamp};

use super::Claim;
use crate::domain::{
    delivery::{Attempt, State},
    health::{Health, Recent},
};

/// A try that ended, and what that changes.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The claim that it was made for.
    pub claim: Claim,
    /// What it changes.
    pub outcome: Outcome,
}

impl Ended {
    /// Says whether the receiver took it and nothing else follows: no other delivery waits for it, nobody is told.
    pub fn is_plainly_taken(&self) -> bool {
        let Outcome { state, disable, events, word, .. } = &self.outcome;
        let is_taken = *state == State::Succeeded && matches!(word, Word::Works);
        is_taken && self.claim.lane.is_none() && disable.is_none() && events.is_empty()
    }
}

/// What a finished try changes.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The try.
    pub attempt: Attempt,
    /// How the delivery stands now.
    pub state: State,
    /// When it is tried next, if it is pending.
    pub next_attempt_at: Option<Timestamp>,
    /// Whether the try counts as a step of the schedule.
    pub is_step: bool,
    /// Why the endpoint gets nothing more, if so.
    pub disable: Option<&'static str>,
    /// Events to send, in the same transaction.
    pub events: Vec<Message>,
    /// What the try says about the endpoint.
    pub word: Word,
}

/// What a try says about its endpoint.
#[derive(Clone, Debug)]
pub enum Word {
    /// Nothing.
    Nothing,
    /// It works.
    Works,
    /// It failed; the judge says what follows.
    Failed(Judge),
}

type Judging = dyn Fn(Option<Health>, Recent) -> Judgement + Send + Sync;

/// Decides how an endpoint stands, from how it stood. Called while nobody else can change that.
#[derive(Clone)]
pub struct Judge(pub Arc<Judging>);

impl std::fmt::Debug for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Judge")
    }
}

/// How an endpoint stands after a failure.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Its record.
    pub health: Health,
    /// Why it gets nothing more, if so.
    pub disable: Option<&'static str>,
    /// Events to send.
    pub events: Vec<Message>,
}
