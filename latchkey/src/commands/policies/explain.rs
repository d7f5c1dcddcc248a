//! `latchkey policies explain`

use clap::Args;
use proto::session::v1::{
    ExplainSessionRequest, ExplainSessionResponse, ExplainedDuration, ExplainedLimit, ExplainedSchedule,
    ExplainedSessionLimit, ValueSource,
};

use super::{show::human, window::written};
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::Exit,
    output::{
        Column, Output,
        text::{moment, word},
    },
};

/// Arguments of `latchkey policies explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// Id of the session, `sess_…`.
    session: String,
}

const FIELDS: &[Column<ExplainSessionResponse>] = &[
    ("session", |answer, _| answer.session.as_ref().map(|session| session.id.clone()).unwrap_or_default()),
    ("ended", |answer, now| moment(answer.session.as_ref().and_then(|session| session.ended_at.as_ref()), now)),
    ("end reason", |answer, _| {
        let reason = answer.session.as_ref().map(|session| session.end_reason().as_str_name());
        reason.map(|reason| word(reason, "END_REASON_")).unwrap_or_default()
    }),
    ("ends", |answer, now| moment(answer.ends_at.as_ref(), now)),
    ("by", |answer, _| word(answer.ends_by().as_str_name(), "END_REASON_")),
    ("idle", |answer, _| answer.idle.as_ref().map(limit).unwrap_or_default()),
    ("idle at next use", |answer, _| answer.idle.as_ref().map(next_limit).unwrap_or_default()),
    ("schedule", |answer, _| answer.idle_schedule.as_ref().map(schedule).unwrap_or_default()),
    ("schedule now", |answer, _| {
        answer.idle_schedule.as_ref().map(|schedule| human(schedule.applies_now.as_ref())).unwrap_or_default()
    }),
    ("lifetime", |answer, _| answer.absolute.as_ref().map(limit).unwrap_or_default()),
    ("lifetime at next use", |answer, _| answer.absolute.as_ref().map(next_limit).unwrap_or_default()),
    ("rotation grace", |answer, _| answer.rotation_grace.as_ref().map(duration).unwrap_or_default()),
    ("loss recovery", |answer, _| answer.loss_recovery.as_ref().map(duration).unwrap_or_default()),
    ("sessions", |answer, _| answer.session_limit.as_ref().map(session_limit).unwrap_or_default()),
];

fn source(source: ValueSource) -> String {
    word(source.as_str_name(), "VALUE_SOURCE_").replace('_', " ")
}

fn limit(limit: &ExplainedLimit) -> String {
    format!("{} ({})", human(limit.in_force.as_ref()), source(limit.source()))
}

/// What the next use gets, where that is something else.
fn next_limit(limit: &ExplainedLimit) -> String {
    if limit.in_force == limit.at_next_use {
        return String::new();
    }
    format!("{} ({})", human(limit.at_next_use.as_ref()), source(limit.at_next_use_source()))
}

fn schedule(explained: &ExplainedSchedule) -> String {
    let Some(schedule) = &explained.schedule else { return String::new() };
    let windows: Vec<_> = schedule.windows.iter().map(written).collect();
    let (outside, zone) = (human(explained.outside.as_ref()), &schedule.time_zone);
    format!("{}, else {outside}, {zone} ({})", windows.join(" "), source(explained.source()))
}

fn duration(explained: &ExplainedDuration) -> String {
    format!("{} ({})", human(explained.value.as_ref()), source(explained.source()))
}

fn session_limit(limit: &ExplainedSessionLimit) -> String {
    let then = word(limit.on_limit().as_str_name(), "ON_SESSION_LIMIT_").replace('_', "-");
    format!(
        "at most {} ({}), then {then} ({})",
        limit.max_sessions,
        source(limit.source()),
        source(limit.on_limit_source())
    )
}

pub(super) async fn run(args: ExplainArgs, connection: &Connection, output: &mut Output) -> Answer {
    let request = ExplainSessionRequest { session_id: args.session };
    let answer = connection.policies()?.explain_session(request).await;
    let answer = answer.map_err(connection.failed(Service::Session, "explain the session"))?.into_inner();
    output.one(&answer, FIELDS)?;
    Ok(Exit::Done)
}
