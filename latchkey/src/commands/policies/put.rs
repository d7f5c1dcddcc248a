//! `latchkey policies put`

use clap::{Args, ValueEnum};
use prost_types::FieldMask;
use proto::{
    auth::v1::{Application, Tenant, UpdateApplicationRequest, UpdateTenantRequest},
    session::v1::{
        GetPolicyRequest, IdleSchedule, IdleWindow, OnSessionLimit, Policy, PutPolicyRequest, SessionLimits,
    },
};
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
    /// Stores it in session-svc alone, for applications that auth-svc does not know. Where auth-svc has a policy, that one
    /// comes back.
    #[arg(long)]
    direct: bool,
    /// Refuses unless the policy has this version now; 0: unless there is none.
    #[arg(long, value_name = "VERSION", requires = "direct")]
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
    let (is_direct, expected_version) = (args.direct, args.expect_version);
    let policy = args.policy(connection.tenant());
    if is_direct {
        put(policy, expected_version, connection, output).await
    } else {
        set(policy, connection, output).await
    }
}

/// Sets the tenant or the application to it in auth-svc, which hands it to session-svc.
async fn set(policy: Policy, connection: &Connection, output: &mut Output) -> Answer {
    let update_mask = Some(FieldMask { paths: vec!["session_policy".to_owned()] });
    let failed = connection.failed(Service::Auth, "store the policy");
    let session_policy = Some(policy.clone());
    if policy.application_id.is_empty() {
        let tenant = Some(Tenant { id: policy.tenant_id.clone(), session_policy, ..Tenant::default() });
        connection.tenants()?.update_tenant(UpdateTenantRequest { tenant, update_mask }).await.map_err(failed)?;
    } else {
        let id = policy.application_id.clone();
        let application = Some(Application { id, session_policy, ..Application::default() });
        let request = UpdateApplicationRequest { application, update_mask };
        connection.applications()?.update_application(request).await.map_err(failed)?;
    }
    let scope = GetPolicyRequest { tenant_id: policy.tenant_id, application_id: policy.application_id };
    match connection.policies()?.get_policy(scope).await {
        Ok(in_force) => output.one(&in_force.into_inner().policy.unwrap_or_default(), show::FIELDS)?,
        Err(_) => output.note("it is stored; session-svc does not answer and gets it as soon as it does"),
    }
    Ok(Exit::Done)
}

async fn put(policy: Policy, expected_version: Option<i64>, connection: &Connection, output: &mut Output) -> Answer {
    let request = PutPolicyRequest { policy: Some(policy), expected_version };
    let answer = connection.policies()?.put_policy(request).await;
    let answer = answer.map_err(connection.failed(Service::Session, "store the policy"))?.into_inner();
    output.one(&answer.policy.unwrap_or_default(), show::FIELDS)?;
    if answer.unchanged {
        output.note("it was stored like this before");
    }
    Ok(Exit::Done)
}
