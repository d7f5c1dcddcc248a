//! `latchkey deliveries replay`: events of the log, delivered again.

use clap::Args;
use proto::webhook::v1::{ReplayEventsRequest, ReplayEventsResponse};

use crate::{
    Answer,
    commands::input::{Moment, moment},
    connect::{Connection, Service},
    failure::{Exit, Failure},
    output::{Output, text},
};

/// Arguments of `latchkey deliveries replay`.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// Events that arrived then or later: a time, or how long ago.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Moment,
    /// And before then; without it: until now.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Moment>,
    /// Only events of this type, e.g. `session.revoked` or `session.*`; may be repeated.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only events that concern this user.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    user: String,
    /// Only to this endpoint; without it: to all that want them.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    endpoint: String,
    /// Only what was never taken: what is missing, was given up or was cancelled.
    #[arg(long)]
    only_missing: bool,
    /// Changes nothing and says what would be delivered.
    #[arg(long)]
    dry_run: bool,
    /// How many deliveries are sent a second.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    rate: i32,
    /// Goes on where an earlier replay with the same options was interrupted.
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    resume: String,
}

pub(super) async fn run(args: ReplayArgs, connection: &Connection, output: &mut Output) -> Answer {
    let mut request = request(args, connection, output);
    let mut done = ReplayEventsResponse::default();
    loop {
        let part = tokio::select! {
            part = part(connection, request.clone()) => part,
            _ = tokio::signal::ctrl_c() => Err(Failure::new("finish the replay", "it was interrupted", Exit::No)),
        };
        let part = part.map_err(|failure| resumable(failure, &request))?;
        done.event_count = done.event_count.saturating_add(part.event_count);
        done.delivery_count = done.delivery_count.saturating_add(part.delivery_count);
        done.last_due_at = part.last_due_at.or(done.last_due_at);
        if part.next_page_token.is_empty() {
            break;
        }
        request.page_token = part.next_page_token;
    }
    let verb = if request.dry_run { "would make" } else { "made" };
    let last = text::relative(done.last_due_at.as_ref(), output.now());
    let until = if request.dry_run || last.is_empty() { String::new() } else { format!(", the last one due {last}") };
    let told = format!("{} events {verb} {} deliveries{until}", done.event_count, done.delivery_count);
    output.done(&done, &told)?;
    Ok(Exit::Done)
}

/// Both ends are fixed at the start: they are the same in every call.
fn request(args: ReplayArgs, connection: &Connection, output: &Output) -> ReplayEventsRequest {
    let now = output.now();
    ReplayEventsRequest {
        tenant_id: connection.tenant(),
        from: Some(args.from.to_proto(now)),
        to: args.to.map(|to| to.to_proto(now)),
        types: args.types,
        user_id: args.user,
        endpoint_id: args.endpoint,
        only_missing: args.only_missing,
        dry_run: args.dry_run,
        per_second: args.rate,
        page_token: args.resume,
    }
}

async fn part(connection: &Connection, request: ReplayEventsRequest) -> Result<ReplayEventsResponse, Failure> {
    let answer = connection.deliveries()?.replay_events(request).await;
    Ok(answer.map_err(connection.failed(Service::Webhook, "replay events"))?.into_inner())
}

/// Says how to go on.
fn resumable(failure: Failure, request: &ReplayEventsRequest) -> Failure {
    if request.page_token.is_empty() {
        return failure;
    }
    failure.hint(format!("--resume {} goes on, with --from and --to as times", request.page_token))
}
