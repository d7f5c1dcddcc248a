//! `latchkey policies put`

use clap::{Args, ValueEnum};
use proto::session::v1::{IdleSchedule, IdleWindow, OnSessionLimit, Policy, PutPolicyRequest, SessionLimits};
use svc_kit::config::HumanDuration;

use super::{PolicyArgs, show, window::window};
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::Exit,
    output::Output,
};

/// Arguments of `latchkey policies put`. Durations are written as `30s`, `5m`, `8h` or `90d`.
#[derive(Args, Debug)]
pub struct PutArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Longest pause between two uses of an application's session.
    #[arg(long, value_name = "DURATION")]
    idle: Option<HumanDuration>,
    /// Another pause at some time of the week, e.g. `sat-sun=12h` or `mon-fri@08:00-18:00=1h`; may be repeated, the first
    /// that fits counts.
    #[arg(long = "idle-window", value_name = "WINDOW", value_parser = window, requires = "time_zone")]
    idle_windows: Vec<IdleWindow>,
    /// Time zone of the windows, e.g. `Europe/Berlin`.
    #[arg(long, value_name = "ZONE", requires = "idle_windows")]
    time_zone: Option<String>,
    /// Longest life of an application's session.
    #[arg(long, value_name = "DURATION")]
    lifetime: Option<HumanDuration>,
    /// Longest pause between two uses of an SSO session.
    #[arg(long, value_name = "DURATION")]
    sso_idle: Option<HumanDuration>,
    /// Longest life of an SSO session.
    #[arg(long, value_name = "DURATION")]
    sso_lifetime: Option<HumanDuration>,
    /// Longest pause between two uses of an SSO session that is kept signed in.
    #[arg(long, value_name = "DURATION")]
    kept_idle: Option<HumanDuration>,
    /// Longest life of an SSO session that is kept signed in.
    #[arg(long, value_name = "DURATION")]
    kept_lifetime: Option<HumanDuration>,
    /// How long parallel and repeated refreshes of one token get the same successor.
    #[arg(long, value_name = "DURATION")]
    rotation_grace: Option<HumanDuration>,
    /// How long a refresh may be repeated whose successor was never presented.
    #[arg(long, value_name = "DURATION")]
    loss_recovery: Option<HumanDuration>,
    /// Most living sessions of a user in an application.
    #[arg(long, value_name = "COUNT")]
    max_sessions: Option<u32>,
    /// What happens when there would be more.
    #[arg(long, value_enum)]
    on_limit: Option<OnLimit>,
    /// Refuses unless the policy has this version now; 0: unless there is none.
    #[arg(long, value_name = "VERSION")]
    expect_version: Option<i64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnLimit {
    /// The new one is refused.
    RejectNew,
    /// The oldest ends.
    EndOldest,
}

impl PutArgs {
    fn policy(self, tenant_id: String) -> Policy {
        let duration = |value: Option<HumanDuration>| value.and_then(|value| value.0.try_into().ok());
        let limits = |idle: Option<HumanDuration>, lifetime: Option<HumanDuration>| SessionLimits {
            idle_timeout: duration(idle),
            absolute_lifetime: duration(lifetime),
            idle_schedule: None,
        };
        let said = |limits: SessionLimits| (limits != SessionLimits::default()).then_some(limits);
        let idle_schedule = self.time_zone.map(|time_zone| IdleSchedule { time_zone, windows: self.idle_windows });
        let on_limit = match self.on_limit {
            None => OnSessionLimit::Unspecified,
            Some(OnLimit::RejectNew) => OnSessionLimit::RejectNew,
            Some(OnLimit::EndOldest) => OnSessionLimit::EndOldest,
        };
        Policy {
            tenant_id,
            application_id: self.policy.application,
            application: said(SessionLimits { idle_schedule, ..limits(self.idle, self.lifetime) }),
            sso: said(limits(self.sso_idle, self.sso_lifetime)),
            sso_kept_signed_in: said(limits(self.kept_idle, self.kept_lifetime)),
            rotation_grace: duration(self.rotation_grace),
            loss_recovery: duration(self.loss_recovery),
            max_sessions: self.max_sessions,
            on_limit: on_limit.into(),
            ..Policy::default()
        }
    }
}

pub(super) async fn run(args: PutArgs, connection: &Connection, output: &mut Output) -> Answer {
    let expected_version = args.expect_version;
    let request = PutPolicyRequest { policy: Some(args.policy(connection.tenant())), expected_version };
    let answer = connection.policies()?.put_policy(request).await;
    let answer = answer.map_err(connection.failed(Service::Session, "store the policy"))?.into_inner();
    output.one(&answer.policy.unwrap_or_default(), show::FIELDS)?;
    if answer.unchanged {
        output.note("it was stored like this before");
    }
    Ok(Exit::Done)
}
