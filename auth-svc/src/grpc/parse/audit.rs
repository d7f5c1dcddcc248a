//! Questions to the audit trail.

use proto::auth::v1 as pb;
use svc_kit::{clock::Timestamp, page::PageTokenError};

use super::{Parsed, cursor, field, tenant, text};
use crate::domain::audit::AuditFilter;

/// Longest name of an actor, an action or a subject.
const VALUE_BYTES_MAX: usize = 128;
/// Later than everything that happens, and not beyond what can be written.
const END: Timestamp = Timestamp::from_ms(253_402_300_799_000);

pub(in crate::grpc) fn audit_filter(request: &pb::ListAuditEventsRequest) -> Parsed<AuditFilter> {
    let value = |path: &str, value: &str| text(path, value.to_owned(), VALUE_BYTES_MAX);
    let moment = |path: &str, given: &Option<prost_types::Timestamp>, otherwise| match given {
        Some(given) => Timestamp::from_proto(given).map_err(|_| field(path, "is out of range")),
        None => Ok(otherwise),
    };
    Ok(AuditFilter {
        tenant: tenant("tenant_id", &request.tenant_id)?,
        actor: value("actor", &request.actor)?,
        action: value("action", &request.action)?,
        subject: value("subject", &request.subject)?,
        after: moment("occurred_after", &request.occurred_after, Timestamp::EPOCH)?,
        before: moment("occurred_before", &request.occurred_before, END)?,
    })
}

/// The number that the next page starts below.
pub(in crate::grpc) fn before(list: &[u8], token: &str) -> Parsed<i64> {
    match cursor(list, token)?.as_str() {
        "" => Ok(i64::MAX),
        number => number.parse().map_err(|_| PageTokenError.into()),
    }
}
