//! `latchkey receive`: a small receiver of webhooks, for trying things out. It checks signatures and prints what comes.
//! Not a server for production: it keeps nothing.

mod server;
mod signature;

use std::net::{Ipv4Addr, SocketAddr};

use clap::Args;
use serde_json::{Value, json};
use svc_kit::error::chain;
use tokio::net::TcpListener;

use crate::{
    Answer,
    failure::{Exit, Failure},
    output::Output,
};
use server::Received;
use signature::Verifier;

/// Arguments of `latchkey receive`.
#[derive(Args, Debug)]
pub struct ReceiveArgs {
    /// Port on this machine.
    #[arg(long, default_value_t = 9050)]
    port: u16,
    /// Secret of the endpoint, `whsec_…`, or its public key, `whpk_…`; may be repeated. Without it signatures are not checked.
    #[arg(long = "secret", env = "LATCHKEY_WEBHOOK_SECRET", hide_env_values = true, value_name = "SECRET", value_parser = Verifier::parse)]
    secrets: Vec<Verifier>,
    /// Ends after this many webhooks.
    #[arg(long, value_name = "COUNT")]
    count: Option<usize>,
}

pub(super) async fn run(args: ReceiveArgs, output: &mut Output) -> Answer {
    tokio::select! {
        answer = receive(args, output) => answer,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Done),
    }
}

async fn receive(args: ReceiveArgs, output: &mut Output) -> Answer {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let cannot = |error: std::io::Error| Failure::new(format!("listen on {address}"), chain(&error), Exit::Fault);
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let bound = listener.local_addr().map_err(cannot)?;
    output.note(&format!("receiving webhooks at http://localhost:{}/; Ctrl-C ends", bound.port()));
    if args.secrets.is_empty() {
        output.note("no --secret given: signatures are not checked");
    }
    let mut received = server::serve(listener, args.secrets);
    let mut left = args.count.unwrap_or(usize::MAX);
    while left > 0 {
        let Some(webhook) = received.recv().await else { break };
        show(&webhook, output)?;
        left -= 1;
    }
    Ok(Exit::Done)
}

fn show(webhook: &Received, output: &mut Output) -> Result<(), Failure> {
    let body: Value =
        serde_json::from_slice(&webhook.body).unwrap_or_else(|_| String::from_utf8_lossy(&webhook.body).into());
    let signature = match &webhook.verdict {
        Some(Ok(())) => "good".to_owned(),
        Some(Err(refused)) => format!("bad: {refused}"),
        None => "not checked".to_owned(),
    };
    if output.is_json() {
        let line = json!({ "id": webhook.id, "at": output.now().to_string(), "signature": signature, "body": body });
        return output.line(&line.to_string());
    }
    let event_type = body["type"].as_str().unwrap_or("no type");
    output.line(&format!("{}  {event_type}  {}  signature {signature}\n{body:#}", output.now(), webhook.id))
}
