//! `latchkey introspect`

use clap::Args;
use proto::auth::v1::{IntrospectTokenRequest, IntrospectTokenResponse};
use svc_kit::clock::Timestamp;

use crate::{
    Answer,
    commands::input::text_or_stdin,
    connect::{Connection, Service},
    failure::Exit,
    output::{Column, Output, text::moment, to_json},
};

/// Arguments of `latchkey introspect`.
#[derive(Args, Debug)]
pub struct IntrospectArgs {
    /// Access or refresh token; `-` reads it from stdin.
    token: String,
}

const FIELDS: &[Column<IntrospectTokenResponse>] = &[
    ("token", |answer, _| answer.token_use.replace('_', " ")),
    ("subject", |answer, _| answer.sub.clone()),
    ("application", |answer, _| answer.client_id.clone()),
    ("tenant", |answer, _| answer.tenant_id.clone()),
    ("scopes", |answer, _| answer.scope.clone()),
    ("session", |answer, _| answer.sid.clone()),
    ("ends", |answer, now| {
        let ends = Timestamp::from_ms(answer.exp.saturating_mul(1000));
        if answer.exp > 0 { moment(Some(&ends.to_proto()), now) } else { String::new() }
    }),
];

pub(in crate::commands) async fn introspect(
    args: IntrospectArgs,
    connection: &Connection,
    output: &mut Output,
) -> Answer {
    let request = IntrospectTokenRequest { token: text_or_stdin(&args.token)? };
    let answer = connection.auth()?.introspect_token(request).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "introspect the token"))?.into_inner();
    if output.is_json() {
        let mut value = to_json(&answer)?;
        // The JSON form leaves a `false` out, but this one is the answer.
        value["active"] = answer.active.into();
        output.json(&value)?;
    } else if answer.active {
        output.line("active")?;
        output.one(&answer, FIELDS)?;
    } else {
        output.line("not active")?;
    }
    Ok(if answer.active { Exit::Done } else { Exit::No })
}
