//! `latchkey sessions revoke`: one session by id or token, or all that a filter chooses.

use clap::Args;
use proto::session::v1::{
    EndReason, RevokeSessionRequest, RevokeSessionsRequest, RevokeSessionsResponse,
    revoke_session_request::Session as Which,
};

use super::{
    filter::{Narrow, Reason},
    is_id, show,
};
use crate::{
    Answer,
    commands::{input::text_or_stdin, users::user_id},
    connect::{Connection, Service},
    failure::{Exit, Failure},
    output::Output,
};

/// Arguments of `latchkey sessions revoke`.
#[derive(Args, Debug)]
pub struct RevokeArgs {
    /// Id (`sess_…`) or token (`lkr_…`) of the session; `-` reads it from stdin.
    #[arg(required_unless_present = "user", conflicts_with = "user")]
    session: Option<String>,
    /// Ends the sessions of this user instead: id, or e-mail address (looked up in auth-svc).
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    #[command(flatten)]
    narrow: Narrow,
    /// Only says what would end.
    #[arg(long)]
    dry_run: bool,
    /// Why; appears in the session and in its event.
    #[arg(long, value_enum, default_value = "admin")]
    reason: Reason,
    /// Free text for people, at most 256 bytes.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    comment: String,
    /// Makes a repetition safe: one effect and one answer for 24 hours.
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    idempotency_key: String,
}

pub(super) async fn run(args: RevokeArgs, connection: &Connection, output: &mut Output) -> Answer {
    match (&args.session, &args.user) {
        // By hand: clap drops `requires = "user"` where `user` conflicts with what is given, and would go on to revoke.
        (Some(_), _) if args.dry_run || args.narrow != Narrow::default() => {
            Err(Failure::usage("revoke the session", "--dry-run and filters go with --user, not with one session"))
        }
        (Some(session), _) => one(text_or_stdin(session)?, args, connection, output).await,
        (None, Some(user)) => many(user.clone(), args, connection, output).await,
        (None, None) => Err(Failure::usage("revoke", "neither a session nor --user is given")),
    }
}

async fn one(session: String, args: RevokeArgs, connection: &Connection, output: &mut Output) -> Answer {
    let session = if is_id(&session) { Which::SessionId(session) } else { Which::Token(session) };
    let request = RevokeSessionRequest {
        session: Some(session),
        reason: EndReason::from(args.reason).into(),
        comment: args.comment,
        idempotency_key: args.idempotency_key,
    };
    let answer = connection.sessions()?.revoke_session(request).await;
    let answer = answer.map_err(connection.failed(Service::Session, "revoke the session"))?.into_inner();
    if output.is_json() {
        output.one(&answer, &[])?;
        return Ok(Exit::Done);
    }
    output.line(if answer.already_ended { "had ended before; nothing changed" } else { "ended" })?;
    output.one(&answer.session.unwrap_or_default(), show::FIELDS)?;
    Ok(Exit::Done)
}

async fn many(user: String, args: RevokeArgs, connection: &Connection, output: &mut Output) -> Answer {
    let user = user_id(user, connection).await?;
    let request = RevokeSessionsRequest {
        filter: Some(args.narrow.filter(connection.tenant(), user, output.now())),
        dry_run: args.dry_run,
        reason: EndReason::from(args.reason).into(),
        comment: args.comment,
        idempotency_key: args.idempotency_key,
        ..RevokeSessionsRequest::default()
    };
    let answer = connection.sessions()?.revoke_sessions(request).await;
    let answer = answer.map_err(connection.failed(Service::Session, "revoke the sessions"))?.into_inner();
    if output.is_json() {
        output.one(&answer, &[])?;
    } else {
        output.line(&summary(&answer, args.dry_run))?;
    }
    Ok(Exit::Done)
}

fn summary(answer: &RevokeSessionsResponse, is_dry_run: bool) -> String {
    let at_least = if answer.truncated { "at least " } else { "" };
    let noun = if answer.revoked_count == 1 { "session" } else { "sessions" };
    let verb = if is_dry_run { "would end" } else { "ended" };
    let mut text = format!("{at_least}{} {noun} {verb}", answer.revoked_count);
    for id in &answer.session_ids {
        text.push_str("\n  ");
        text.push_str(id);
    }
    if answer.truncated {
        text.push_str("\n  …");
    }
    text
}
