//! What attempts need from outside: somebody who sends, and somebody who signs logout tokens.

use std::{future::Future, time::Duration};

use secrecy::SecretString;
use svc_kit::{clock::Timestamp, telemetry::TraceContext};

use crate::domain::{
    delivery::{DeliveryId, Phase, Timing, Verdict},
    headers::HeaderName,
    logout::LogoutNotice,
    signature::Signer,
};

/// What is sent to a receiver.
#[derive(Debug)]
pub struct Shipment {
    /// Address.
    pub url: String,
    /// The moment of the attempt.
    pub at: Timestamp,
    /// What is sent.
    pub content: Content,
    /// The trace of the event.
    pub trace: TraceContext,
}

/// What a request holds.
#[derive(Debug)]
pub enum Content {
    /// A webhook.
    Webhook {
        /// `webhook-id`.
        id: DeliveryId,
        /// What signs, current first.
        signers: Vec<Signer>,
        /// Headers that its owner adds.
        headers: Vec<(HeaderName, SecretString)>,
        /// The body.
        payload: String,
    },
    /// A logout token, as a form.
    LogoutToken(SecretString),
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The verdict.
    pub verdict: Verdict,
    /// How long it took.
    pub duration: Duration,
    /// And its parts.
    pub timing: Timing,
    /// The part in which it failed, if it did in one.
    pub failed_in: Option<Phase>,
    /// `Retry-After`, as sent.
    pub retry_after: Option<String>,
    /// Start of the response body.
    pub response: String,
    /// What else there is to say, for people.
    pub detail: String,
}

impl Receipt {
    /// Nothing came back, or nothing was sent.
    pub fn without_answer(verdict: Verdict) -> Self {
        Self {
            verdict,
            duration: Duration::ZERO,
            timing: Timing::default(),
            failed_in: None,
            retry_after: None,
            response: String::new(),
            detail: String::new(),
        }
    }
}

/// Sends to receivers.
pub trait Sender: Send + Sync + 'static {
    /// Tries once; every failure is a verdict.
    fn send(&self, shipment: &Shipment) -> impl Future<Output = Receipt> + Send;
}

/// Why there is no logout token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The tenant has no such application any more.
    #[error("there is no such application")]
    NoApplication,
    /// auth-svc is away, or refuses us.
    #[error("auth-svc gives no logout token")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Signs logout tokens.
pub trait LogoutTokens: Send + Sync + 'static {
    /// Signs a token for one attempt.
    fn mint(&self, notice: &LogoutNotice) -> impl Future<Output = Result<SecretString, TokenError>> + Send;
}

/// What attempts are made with.
pub struct Means<D, T> {
    /// Sends.
    pub sender: D,
    /// Signs logout tokens.
    pub tokens: T,
}
