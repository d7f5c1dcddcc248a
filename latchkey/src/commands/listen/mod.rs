//! `latchkey listen`: the events of a tenant, sent to an application on this machine as if it were an endpoint.
//!
//! Nothing has to be reachable from outside: the events are pulled (`WatchEvents`) and posted from here, signed as every
//! webhook is. When the connection breaks, it goes on where it stopped.

mod forward;

use std::time::Duration;

use clap::Args;
use proto::webhook::v1::{LoggedEvent, WatchEventsRequest, WatchEventsResponse, watch_events_request::Start};
use secrecy::ExposeSecret as _;
use serde_json::json;
use svc_kit::entropy::OsEntropy;
use tonic::{Code, Status};
use webhook_svc::domain::signature::SigningSecret;

use crate::{
    Answer,
    commands::input::secret,
    connect::{Connection, Service},
    failure::{Exit, Failure},
    output::Output,
};
use forward::{Forwarder, Receipt};

/// Pause before another try after the connection broke, which doubles, and the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_LAST: Duration = Duration::from_secs(15);

/// Arguments of `latchkey listen`.
#[derive(Args, Debug)]
pub struct ListenArgs {
    /// Where to post them, e.g. `http://localhost:3000/hook`.
    #[arg(long, value_name = "URL")]
    forward: url::Url,
    /// Only events of this type, e.g. `session.revoked` or `session.*`; may be repeated.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Secret to sign with, `whsec_…`; without it one is made and printed.
    #[arg(long, env = "LATCHKEY_WEBHOOK_SECRET", hide_env_values = true, value_name = "SECRET", value_parser = secret)]
    secret: Option<SigningSecret>,
    /// Starts with the oldest event of the log, instead of the next one.
    #[arg(long, conflicts_with = "resume")]
    from_start: bool,
    /// Goes on where an earlier run stopped.
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    resume: String,
    /// Ends after this many events.
    #[arg(long, value_name = "COUNT")]
    count: Option<usize>,
}

pub(super) async fn run(args: ListenArgs, connection: &Connection, output: &mut Output) -> Answer {
    let mut listener = Listener::new(args, connection)?;
    let answer = tokio::select! {
        answer = listener.listen(output) => answer,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Done),
    };
    if !listener.request.page_token.is_empty() {
        output.note(&format!("--resume {} goes on from here", listener.request.page_token));
    }
    answer
}

struct Listener<'c> {
    connection: &'c Connection,
    forwarder: Forwarder,
    request: WatchEventsRequest,
    left: usize,
    made_secret: Option<SigningSecret>,
}

impl<'c> Listener<'c> {
    fn new(args: ListenArgs, connection: &'c Connection) -> Result<Self, Failure> {
        let made_secret = args.secret.is_none().then(|| SigningSecret::generate(&OsEntropy));
        let secret = args.secret.or_else(|| made_secret.clone());
        let start = if args.from_start { Start::Oldest } else { Start::Next };
        Ok(Self {
            connection,
            forwarder: Forwarder::new(args.forward, secret.into_iter().collect())?,
            request: WatchEventsRequest {
                tenant_id: connection.tenant(),
                types: args.types,
                page_token: args.resume,
                start: start.into(),
                heartbeat_seconds: 0,
            },
            left: args.count.unwrap_or(usize::MAX),
            made_secret,
        })
    }

    /// Follows the log until enough was seen, whatever happens to the connection.
    async fn listen(&mut self, output: &mut Output) -> Answer {
        let mut pause = PAUSE_FIRST;
        loop {
            let before = self.request.page_token.clone();
            let broken = match self.follow(output).await? {
                Followed::Enough => return Ok(Exit::Done),
                Followed::Over => continue,
                Followed::Broken(status) => status,
            };
            // Nothing was ever heard, or it is not a matter of trying again.
            if (before.is_empty() && self.request.page_token.is_empty()) || !is_passing(&broken) {
                return Err(self.connection.failed(Service::Webhook, "listen to the events")(broken));
            }
            pause = if self.request.page_token == before { (pause * 2).min(PAUSE_LAST) } else { PAUSE_FIRST };
            output.note(&format!("the connection broke ({}); going on in {pause:?}", broken.message()));
            tokio::time::sleep(pause).await;
        }
    }

    /// Follows one stream to its end.
    async fn follow(&mut self, output: &mut Output) -> Result<Followed, Failure> {
        let stream = self.connection.events()?.watch_events(self.request.clone()).await;
        let mut stream = match stream {
            Ok(stream) => stream.into_inner(),
            Err(status) => return Ok(Followed::Broken(status)),
        };
        loop {
            match stream.message().await {
                Ok(Some(message)) => self.take(message, output).await?,
                Ok(None) => return Ok(Followed::Over),
                Err(status) => return Ok(Followed::Broken(status)),
            }
            if self.left == 0 {
                return Ok(Followed::Enough);
            }
        }
    }

    async fn take(&mut self, message: WatchEventsResponse, output: &mut Output) -> Result<(), Failure> {
        if self.request.page_token.is_empty() {
            self.greet(output);
        }
        if let Some(event) = &message.event {
            let receipt = self.forwarder.forward(event).await;
            show(event, &receipt, output)?;
            self.left -= 1;
        }
        // Only now: what was interrupted is sent again.
        self.request.page_token = message.page_token;
        Ok(())
    }

    fn greet(&mut self, output: &mut Output) {
        output.note(&format!("sending events to {}; Ctrl-C ends", self.forwarder.url()));
        if let Some(secret) = self.made_secret.take() {
            output.note(&format!("they are signed with {}", secret.reveal().expose_secret()));
        }
    }
}

/// How a stream ended.
enum Followed {
    /// Enough was seen.
    Enough,
    /// It is over; another one goes on.
    Over,
    /// It broke.
    Broken(Status),
}

/// Says whether trying again may help: also when everybody comes back at once after a restart, and some are refused.
fn is_passing(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::Unknown
            | Code::Internal
            | Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::ResourceExhausted
    )
}

fn show(event: &LoggedEvent, receipt: &Receipt, output: &mut Output) -> Result<(), Failure> {
    if output.is_json() {
        let line = json!({
            "id": event.id, "type": event.r#type, "status": receipt.status, "duration_ms": receipt.duration_ms(),
            "error": receipt.error,
        });
        return output.line(&line.to_string());
    }
    let came = match (&receipt.status, &receipt.error) {
        (Some(status), _) => status.to_string(),
        (None, Some(error)) => error.clone(),
        (None, None) => String::new(),
    };
    output.line(&format!("{}  {:<24}  {}  {came}  {} ms", output.now(), event.r#type, event.id, receipt.duration_ms()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_tried_again_and_nothing_else() {
        for code in [Code::Unavailable, Code::ResourceExhausted, Code::DeadlineExceeded, Code::Internal] {
            assert!(is_passing(&Status::new(code, "")), "{code:?}");
        }
        for code in [Code::InvalidArgument, Code::Unauthenticated, Code::PermissionDenied, Code::NotFound] {
            assert!(!is_passing(&Status::new(code, "")), "{code:?}");
        }
    }
}
