//! `latchkey tenants`: the separate worlds of the deployment.

mod change;

use clap::{Args, Subcommand};
use proto::auth::v1::{GetTenantRequest, ListTenantsRequest, ResumeTenantRequest, SuspendTenantRequest, Tenant};

use super::pages::Limit;
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::Exit,
    output::{
        Column, Output,
        text::{moment, relative, word},
    },
};

/// `latchkey tenants …`
#[derive(Debug, Subcommand)]
pub enum TenantsCommand {
    /// Creates a tenant.
    Create(change::CreateArgs),
    /// Lists the tenants.
    List(Limit),
    /// Shows one tenant.
    Get(TenantArgs),
    /// Changes name, look and settings of a tenant.
    Update(change::UpdateArgs),
    /// Suspends a tenant: nobody signs in, and every session ends.
    Suspend(TenantArgs),
    /// Lets the users of a suspended tenant sign in again.
    Resume(TenantArgs),
}

/// Names a tenant.
#[derive(Args, Debug)]
pub struct TenantArgs {
    /// Id of the tenant.
    #[arg(value_name = "TENANT")]
    id: String,
}

const COLUMNS: &[Column<Tenant>] = &[
    ("TENANT", |tenant, _| tenant.id.clone()),
    ("NAME", |tenant, _| tenant.name.clone()),
    ("STATE", |tenant, _| state(tenant)),
    ("ISSUER", |tenant, _| tenant.issuer.clone()),
    ("CREATED", |tenant, now| relative(tenant.created_at.as_ref(), now)),
];

const FIELDS: &[Column<Tenant>] = &[
    ("tenant", |tenant, _| tenant.id.clone()),
    ("name", |tenant, _| tenant.name.clone()),
    ("state", |tenant, _| state(tenant)),
    ("issuer", |tenant, _| tenant.issuer.clone()),
    ("light colours", |tenant, _| colours(&tenant.light_colors)),
    ("dark colours", |tenant, _| colours(&tenant.dark_colors)),
    ("logo", |tenant, _| tenant.logo_url.clone()),
    ("sso without box", |tenant, _| {
        word(tenant.sso_without_keep_signed_in().as_str_name(), "SSO_WITHOUT_KEEP_SIGNED_IN_")
    }),
    ("language", |tenant, _| tenant.default_language.clone()),
    ("created", |tenant, now| moment(tenant.created_at.as_ref(), now)),
    ("updated", |tenant, now| moment(tenant.updated_at.as_ref(), now)),
];

fn state(tenant: &Tenant) -> String {
    word(tenant.state().as_str_name(), "TENANT_STATE_")
}

fn colours(colours: &std::collections::HashMap<String, String>) -> String {
    let mut pairs: Vec<String> = colours.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.sort();
    pairs.join(" ")
}

pub(super) async fn run(command: TenantsCommand, connection: &Connection, output: &mut Output) -> Answer {
    match command {
        TenantsCommand::Create(args) => change::create(args, connection, output).await,
        TenantsCommand::List(limit) => list(limit, connection, output).await,
        TenantsCommand::Get(args) => get(args, connection, output).await,
        TenantsCommand::Update(args) => change::update(args, connection, output).await,
        TenantsCommand::Suspend(args) => suspend(args, connection, output).await,
        TenantsCommand::Resume(args) => resume(args, connection, output).await,
    }
}

async fn list(limit: Limit, connection: &Connection, output: &mut Output) -> Answer {
    let mut client = connection.tenants()?;
    let pages = limit.read(async |page_size, page_token| {
        let page = client.list_tenants(ListTenantsRequest { page_size, page_token }).await?.into_inner();
        Ok((page.tenants, page.next_page_token))
    });
    let listed = pages.await.map_err(connection.failed(Service::Auth, "list the tenants"))?;
    output.list(&listed.items, COLUMNS)?;
    listed.tell(output, "tenants");
    Ok(Exit::Done)
}

async fn get(args: TenantArgs, connection: &Connection, output: &mut Output) -> Answer {
    let answer = connection.tenants()?.get_tenant(GetTenantRequest { tenant_id: args.id }).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "read the tenant"))?.into_inner();
    output.one(&answer.tenant.unwrap_or_default(), FIELDS)?;
    Ok(Exit::Done)
}

async fn suspend(args: TenantArgs, connection: &Connection, output: &mut Output) -> Answer {
    let answer = connection.tenants()?.suspend_tenant(SuspendTenantRequest { tenant_id: args.id }).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "suspend the tenant"))?.into_inner();
    output.one(&answer.tenant.unwrap_or_default(), FIELDS)?;
    output.note("every session of the tenant ends");
    Ok(Exit::Done)
}

async fn resume(args: TenantArgs, connection: &Connection, output: &mut Output) -> Answer {
    let answer = connection.tenants()?.resume_tenant(ResumeTenantRequest { tenant_id: args.id }).await;
    let answer = answer.map_err(connection.failed(Service::Auth, "resume the tenant"))?.into_inner();
    output.one(&answer.tenant.unwrap_or_default(), FIELDS)?;
    Ok(Exit::Done)
}
