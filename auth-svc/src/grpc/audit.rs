//! `AuditService`: reads the audit trail.

use proto::auth::v1 as pb;
use tonic::{Request, Response, Status};

use super::{AuthGrpc, paged, parse, size, status};
use crate::{app::Adapters, domain::audit::AuditEntry, ports::AuditStore as _};

fn message(id: i64, entry: AuditEntry) -> pb::AuditEvent {
    pb::AuditEvent {
        id,
        tenant_id: entry.tenant,
        occurred_at: Some(entry.at.to_proto()),
        action: entry.action,
        actor: entry.actor,
        subject: entry.subject,
        user_id: entry.user,
        application_id: entry.application,
        ip_address: entry.from,
        details: entry.details.into_iter().collect(),
    }
}

#[tonic::async_trait]
impl<A: Adapters> pb::audit_service_server::AuditService for AuthGrpc<A> {
    async fn list_audit_events(
        &self,
        request: Request<pb::ListAuditEventsRequest>,
    ) -> Result<Response<pb::ListAuditEventsResponse>, Status> {
        let request = request.into_inner();
        let (filter, size) = (parse::audit_filter(&request).map_err(status)?, size(request.page_size)?);
        let list = format!("audit {filter:?}").into_bytes();
        let before = parse::before(&list, &request.page_token).map_err(status)?;
        let found = self.auth.store.audit_entries(&filter, before, size + 1).await.map_err(status)?;
        let numbered = found.into_iter().map(|(id, entry)| (id.to_string(), message(id, entry))).collect();
        let (page, next_page_token) = paged(numbered, size, &list, |(id, _)| id.as_str());
        let audit_events = page.into_iter().map(|(_, event)| event).collect();
        Ok(Response::new(pb::ListAuditEventsResponse { audit_events, next_page_token }))
    }
}
