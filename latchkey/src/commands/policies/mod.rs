//! `latchkey policies`: how long sessions live, and why one of them ends when it ends.

mod explain;
mod put;
mod show;
mod window;

use clap::{Args, Subcommand};
use proto::session::v1::{GetPolicyRequest, ListPoliciesRequest};

use super::pages::Limit;
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::Exit,
    output::Output,
};

/// `latchkey policies …`
#[derive(Debug, Subcommand)]
pub enum PoliciesCommand {
    /// Lists the policies of the tenant and of its applications.
    List(Limit),
    /// Shows a policy: the tenant's, or an application's.
    Get(PolicyArgs),
    /// Sets the policy of the tenant or of an application, in place of the one before; what is not given is left to the next
    /// wider policy.
    Put(Box<put::PutArgs>),
    /// Says which limit ends a session, when, and where each value is from.
    Explain(explain::ExplainArgs),
}

/// Names a policy.
#[derive(Args, Debug)]
pub struct PolicyArgs {
    /// Application whose policy it is; without it: the tenant's.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    application: String,
}

pub(super) async fn run(command: PoliciesCommand, connection: &Connection, output: &mut Output) -> Answer {
    match command {
        PoliciesCommand::List(limit) => list(limit, connection, output).await,
        PoliciesCommand::Get(args) => get(args, connection, output).await,
        PoliciesCommand::Put(args) => put::run(*args, connection, output).await,
        PoliciesCommand::Explain(args) => explain::run(args, connection, output).await,
    }
}

async fn list(limit: Limit, connection: &Connection, output: &mut Output) -> Answer {
    let mut client = connection.policies()?;
    let pages = limit.read(async |page_size, page_token| {
        let request = ListPoliciesRequest { tenant_id: connection.tenant(), page_size, page_token };
        let page = client.list_policies(request).await?.into_inner();
        Ok((page.policies, page.next_page_token))
    });
    let listed = pages.await.map_err(connection.failed(Service::Session, "list the policies"))?;
    output.list(&listed.items, show::COLUMNS)?;
    listed.tell(output, "policies");
    Ok(Exit::Done)
}

async fn get(args: PolicyArgs, connection: &Connection, output: &mut Output) -> Answer {
    let request = GetPolicyRequest { tenant_id: connection.tenant(), application_id: args.application };
    let answer = connection.policies()?.get_policy(request).await;
    let answer = answer.map_err(connection.failed(Service::Session, "read the policy"))?.into_inner();
    output.one(&answer.policy.unwrap_or_default(), show::FIELDS)?;
    Ok(Exit::Done)
}
