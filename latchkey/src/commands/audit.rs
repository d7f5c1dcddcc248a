//! `latchkey audit`: who did what, when, from where.

use clap::Args;
use proto::auth::v1::{AuditEvent, ListAuditEventsRequest};

use super::{
    input::{Moment, moment},
    pages::Limit,
};
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::Exit,
    output::{Column, Output, text::relative},
};

/// Arguments of `latchkey audit`.
#[derive(Args, Debug)]
pub struct AuditArgs {
    /// Who did it, e.g. `operator:dev`.
    #[arg(long, default_value = "", hide_default_value = true)]
    actor: String,
    /// What was done: a name such as `user.disabled`, or its beginning, such as `user`.
    #[arg(long, default_value = "", hide_default_value = true)]
    action: String,
    /// What it was done to: id of a user, an application or a key.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    subject: String,
    /// Not before this: a time, or how long ago, such as 2d.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Moment>,
    /// Before this.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Moment>,
    #[command(flatten)]
    limit: Limit,
}

const COLUMNS: &[Column<AuditEvent>] = &[
    ("WHEN", |event, now| relative(event.occurred_at.as_ref(), now)),
    ("ACTION", |event, _| event.action.clone()),
    ("SUBJECT", |event, _| event.subject.clone()),
    ("ACTOR", |event, _| event.actor.clone()),
    ("FROM", |event, _| event.ip_address.clone()),
    ("DETAILS", |event, _| details(event)),
];

fn details(event: &AuditEvent) -> String {
    let mut details: Vec<String> = event.details.iter().map(|(name, value)| format!("{name}={value}")).collect();
    details.sort();
    details.join(" ")
}

pub(super) async fn run(args: AuditArgs, connection: &Connection, output: &mut Output) -> Answer {
    let now = output.now();
    let at = |moment: Option<Moment>| moment.map(|moment| moment.to_proto(now));
    let question = ListAuditEventsRequest {
        tenant_id: connection.tenant(),
        actor: args.actor,
        action: args.action,
        subject: args.subject,
        occurred_after: at(args.since),
        occurred_before: at(args.until),
        ..ListAuditEventsRequest::default()
    };
    let mut client = connection.audit()?;
    let pages = args.limit.read(async |page_size, page_token| {
        let request = ListAuditEventsRequest { page_size, page_token, ..question.clone() };
        let page = client.list_audit_events(request).await?.into_inner();
        Ok((page.audit_events, page.next_page_token))
    });
    let listed = pages.await.map_err(connection.failed(Service::Auth, "read the audit trail"))?;
    output.list(&listed.items, COLUMNS)?;
    listed.tell(output, "entries");
    Ok(Exit::Done)
}
