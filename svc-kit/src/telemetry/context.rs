//! The trace that work belongs to (W3C Trace Context), carried through calls, messages and webhooks.
//!
//! The context travels with the task, whether or not spans are recorded: a trace id that came in goes out again, so that
//! one id joins login, session, event and delivery even where no collector is configured.

use std::{
    cell::RefCell,
    future::Future,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use serde::{Deserialize, Serialize};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::entropy::{Entropy as _, OsEntropy};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
const TRACESTATE_BYTES_MAX: usize = 512;

/// Trace and parent span, in the text form of the W3C headers. Both texts empty: no trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    /// `00-<trace id>-<parent span id>-<flags>`.
    pub traceparent: String,
    /// Vendor data that travels along; often empty.
    pub tracestate: String,
}

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// Bytes of the ids of a trace and of its first span.
const IDS_BYTES: usize = 16 + 8;
/// New traces that randomness is fetched for at a time: every call may begin one, and most of the price is for asking.
const FETCHED: usize = 64;

thread_local! {
    static IDS: RefCell<Ids> = const { RefCell::new(Ids { bytes: [0; IDS_BYTES * FETCHED], left: 0 }) };
}

/// Random ids for traces that begin on a thread. They are no secrets.
struct Ids {
    bytes: [u8; IDS_BYTES * FETCHED],
    left: usize,
}

impl Ids {
    fn next(&mut self) -> [u8; IDS_BYTES] {
        if self.left == 0 {
            OsEntropy.fill(&mut self.bytes);
            self.left = FETCHED;
        }
        self.left -= 1;
        let mut ids = [0; IDS_BYTES];
        ids.copy_from_slice(&self.bytes[self.left * IDS_BYTES..][..IDS_BYTES]);
        ids
    }
}

/// Whether spans are recorded for a collector. Where they are not, nobody needs to be told what they belong to.
static IS_RECORDING: AtomicBool = AtomicBool::new(false);

/// Says that spans are recorded from now on.
pub(super) fn record_spans() {
    IS_RECORDING.store(true, Relaxed);
}

/// Runs `work` as part of the trace of `context`.
pub async fn with_context<F: Future>(context: TraceContext, work: F) -> F::Output {
    CURRENT.scope(context, work).await
}

impl TraceContext {
    /// Returns the context of the running task: that of the recorded span, or the one it was entered with, or none.
    pub fn current() -> Self {
        if IS_RECORDING.load(Relaxed) {
            let context = tracing::Span::current().context();
            let recorded = context.span().span_context().clone();
            if recorded.is_valid() {
                return Self::from_span(&recorded);
            }
        }
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Starts a new trace.
    pub fn root() -> Self {
        Self::of(&IDS.with_borrow_mut(Ids::next))
    }

    fn of(ids: &[u8; IDS_BYTES]) -> Self {
        let (trace, span) = ids.split_at(16);
        let mut traceparent = String::with_capacity(55);
        traceparent.push_str("00-");
        HEXLOWER.encode_append(trace, &mut traceparent);
        traceparent.push('-');
        HEXLOWER.encode_append(span, &mut traceparent);
        traceparent.push_str("-01");
        Self { traceparent, tracestate: String::new() }
    }

    fn from_span(span: &SpanContext) -> Self {
        let flags = span.trace_flags().to_u8();
        let traceparent = format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id());
        Self { traceparent, tracestate: span.trace_state().header() }
    }

    /// Reads the headers of a request or message; a malformed context is none (W3C Trace Context §4.3).
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        Self::parse(text(TRACEPARENT)?, text(TRACESTATE).unwrap_or_default())
    }

    /// Reads the text forms; a malformed context is none.
    pub fn parse(traceparent: &str, tracestate: &str) -> Option<Self> {
        let context = Self { traceparent: traceparent.to_owned(), tracestate: String::new() };
        context.ids()?;
        // A control character could neither be stored (NUL) nor sent on.
        let is_good = tracestate.len() <= TRACESTATE_BYTES_MAX && !tracestate.chars().any(char::is_control);
        let tracestate = if is_good { tracestate.to_owned() } else { String::new() };
        Some(Self { tracestate, ..context })
    }

    /// Returns the trace id in hex; empty when there is none.
    pub fn trace_id(&self) -> &str {
        self.traceparent.get(3..35).unwrap_or_default()
    }

    fn ids(&self) -> Option<(TraceId, SpanId, TraceFlags)> {
        let mut parts = self.traceparent.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let lengths = (version.len(), trace.len(), span.len(), flags.len());
        let is_known = version == "00" && parts.next().is_none();
        if lengths != (2, 32, 16, 2) || !is_known || ![trace, span, flags].into_iter().all(is_hex) {
            return None;
        }
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        let is_valid = trace != TraceId::INVALID && span != SpanId::INVALID;
        is_valid.then_some((trace, span, TraceFlags::new(u8::from_str_radix(flags, 16).ok()?)))
    }

    /// Makes this context the parent of `span`, where spans are recorded.
    pub fn adopt(&self, span: &tracing::Span) {
        if IS_RECORDING.load(Relaxed)
            && let Some((trace, parent, flags)) = self.ids()
        {
            let state = self.tracestate.parse::<TraceState>().unwrap_or_default();
            let remote = SpanContext::new(trace, parent, flags, true, state);
            let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(remote));
        }
    }

    /// Links `span` to this context: the work was caused by it but is not part of it.
    pub fn link(&self, span: &tracing::Span) {
        if IS_RECORDING.load(Relaxed)
            && let Some((trace, parent, flags)) = self.ids()
        {
            span.add_link(SpanContext::new(trace, parent, flags, true, TraceState::default()));
        }
    }

    /// Writes the context into the headers of a request.
    pub fn inject(&self, headers: &mut HeaderMap) {
        for (name, text) in [(TRACEPARENT, &self.traceparent), (TRACESTATE, &self.tracestate)] {
            if let Ok(value) = HeaderValue::from_str(text)
                && !text.is_empty()
            {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_trace_is_well_formed() {
        let root = TraceContext::root();
        assert_eq!(TraceContext::parse(&root.traceparent, ""), Some(root.clone()));
        assert_eq!(root.trace_id().len(), 32);
    }

    #[test]
    fn no_two_traces_are_alike() {
        let mut parts = std::collections::BTreeSet::new();
        for _ in 0..10 * FETCHED {
            let root = TraceContext::root();
            assert!(parts.insert(root.trace_id().to_owned()) && parts.insert(root.traceparent[36..52].to_owned()));
        }
    }

    #[test]
    fn malformed_contexts_are_none() {
        let zero_trace = format!("00-{}-{}-01", "0".repeat(32), "1".repeat(16));
        let upper = format!("00-{}-{}-01", "A".repeat(32), "1".repeat(16));
        let long = format!("00-{}-{}-01-x", "a".repeat(32), "1".repeat(16));
        for text in ["", "00", "ff-aa-bb-cc", &zero_trace, &upper, &long] {
            assert_eq!(TraceContext::parse(text, ""), None, "{text:?}");
        }
    }

    #[test]
    fn a_state_that_nobody_can_store_is_left_out() {
        let root = TraceContext::root();
        let state = |text: &str| TraceContext::parse(&root.traceparent, text).unwrap().tracestate;
        assert_eq!(state("shop=1"), "shop=1");
        for text in ["shop=\0", "shop=\n1", &"a".repeat(TRACESTATE_BYTES_MAX + 1)] {
            assert_eq!(state(text), "", "{text:?}");
        }
    }

    #[tokio::test]
    async fn the_context_travels_with_the_task_and_into_headers() {
        let root = TraceContext::root();
        let headers = with_context(root.clone(), async {
            tokio::task::yield_now().await;
            let mut headers = HeaderMap::new();
            TraceContext::current().inject(&mut headers);
            headers
        });
        assert_eq!(TraceContext::from_headers(&headers.await), Some(root));
        assert_eq!(TraceContext::current(), TraceContext::default());
    }
}
