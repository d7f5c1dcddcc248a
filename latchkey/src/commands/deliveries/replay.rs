//! `latchkey deliveries replay`: events of the log, delivered again.

use clap::Args;
use proto::webhook::v1::{ReplayEventsRequest, ReplayEventsResponse};
use svc_kit::clock::Timestamp;

use crate::{
    Answer,
    commands::input::{Moment, moment},
    connect::{Connection, Service},
    failure::{Exit, Failure},
    output::{Output, text},
};

/// How many deliveries are sent a second unless somebody says otherwise.
const RATE_DEFAULT: i32 = 50;

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
    #[arg(long, value_name = "COUNT", default_value_t = RATE_DEFAULT, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    rate: i32,
    /// Goes on where an earlier replay was interrupted; the other options are those that it printed then.
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    resume: String,
}

pub(super) async fn run(args: ReplayArgs, connection: &Connection, output: &mut Output) -> Answer {
    let mut request = request(args, connection.tenant(), output.now());
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

/// The beginning is fixed here, as is the end if there is one: they are the same in every call. Without an end the service
/// fixes it with the first call, and the token keeps it.
fn request(args: ReplayArgs, tenant_id: String, now: Timestamp) -> ReplayEventsRequest {
    ReplayEventsRequest {
        tenant_id,
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
    let arguments: Vec<String> = arguments(request).iter().map(|argument| quoted(argument)).collect();
    failure.hint(format!("`latchkey deliveries replay {}` goes on", arguments.join(" ")))
}

/// The arguments that make this request at any time: what was said by how long ago is a time.
fn arguments(request: &ReplayEventsRequest) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut add = |name: &str, value: &str| arguments.extend([name.to_owned(), value.to_owned()]);
    let time = |at: &prost_types::Timestamp| Timestamp::from_proto(at).unwrap_or_default().to_string();
    for (name, at) in [("--from", &request.from), ("--to", &request.to)] {
        at.iter().for_each(|at| add(name, &time(at)));
    }
    request.types.iter().for_each(|pattern| add("--type", pattern));
    let tenant = ("--tenant", &request.tenant_id);
    for (name, value) in [tenant, ("--user", &request.user_id), ("--endpoint", &request.endpoint_id)] {
        if !value.is_empty() {
            add(name, value);
        }
    }
    if request.per_second != RATE_DEFAULT {
        add("--rate", &request.per_second.to_string());
    }
    add("--resume", &request.page_token);
    let flags = [("--only-missing", request.only_missing), ("--dry-run", request.dry_run)];
    arguments.extend(flags.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name.to_owned()));
    arguments
}

/// An argument as a shell takes it.
fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._:@-".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_250);

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ReplayArgs,
        #[arg(long)]
        tenant: String,
    }

    fn requested<T: AsRef<str>>(arguments: &[T], now: Timestamp) -> ReplayEventsRequest {
        let arguments = arguments.iter().map(AsRef::as_ref);
        let line = Line::try_parse_from(["replay"].into_iter().chain(arguments)).unwrap();
        request(line.args, line.tenant, now)
    }

    #[test]
    fn what_is_printed_makes_the_same_request_at_any_time() {
        let later = NOW.saturating_add(std::time::Duration::from_secs(7_200));
        let whole =
            "--from 6h --to 1h --type session.* --type user.created --user user_ada --endpoint ep_1 --only-missing
                     --dry-run --rate 7 --resume token --tenant acme";
        // A token may begin with any character of base64url.
        for typed in [whole, "--from 6h --resume -zq_token --tenant acme"] {
            let typed: Vec<&str> = typed.split_whitespace().collect();
            let interrupted = requested(&typed, NOW);
            assert_ne!(requested(&typed, later), interrupted);
            assert_eq!(requested(&arguments(&interrupted), later), interrupted);
        }
    }

    #[test]
    fn an_interrupted_replay_says_how_to_go_on() {
        let typed = ["--from", "6h", "--type", "session.*", "--tenant", "acme"];
        let first = requested(&typed, NOW);
        let failure = || Failure::new("finish the replay", "it was interrupted", Exit::No);
        assert_eq!(resumable(failure(), &first).hint, None);
        let next = ReplayEventsRequest { page_token: "token".to_owned(), ..first };
        let expected = "`latchkey deliveries replay --from 2023-11-14T16:13:20.250Z --type 'session.*' --tenant acme \
                        --resume token` goes on";
        assert_eq!(resumable(failure(), &next).hint.as_deref(), Some(expected));
    }
}
