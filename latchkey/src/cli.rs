//! The command tree and the options that every command shares.

use clap::{Args, Parser, Subcommand};
use svc_kit::secret::SecretString;

use crate::commands::{
    applications::ApplicationsCommand,
    audit::AuditArgs,
    completion::CompletionArgs,
    deliveries::DeliveriesCommand,
    dev::DevArgs,
    endpoints::EndpointsCommand,
    events::EventsCommand,
    keys::KeysCommand,
    listen::ListenArgs,
    policies::PoliciesCommand,
    receive::ReceiveArgs,
    sessions::SessionsCommand,
    signing_keys::SigningKeysCommand,
    tenants::TenantsCommand,
    tokens::{IntrospectArgs, LoginArgs, LogoutArgs, RefreshArgs},
    users::UsersCommand,
};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the answer is no: not active, not found, refused
  2  the command line, or a value on it, is wrong
  3  a service is not reachable or too busy; trying again is safe
  4  the credential is missing, not valid, or may not do this
  5  a fault of Latchkey

Data goes to stdout, everything else to stderr.";

/// Latchkey: who is signed in, until when, and who is told when it ends.
#[derive(Debug, Parser)]
#[command(name = "latchkey", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Cli {
    /// Options that every command shares.
    #[command(flatten)]
    pub options: Options,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command shares.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Options {
    /// gRPC address of auth-svc.
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_AUTH_URL",
        hide_env_values = true,
        value_name = "URL",
        default_value = "http://localhost:9012"
    )]
    pub auth_url: String,
    /// gRPC address of session-svc.
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_SESSION_URL",
        value_name = "URL",
        default_value = "http://localhost:9022"
    )]
    pub session_url: String,
    /// gRPC address of webhook-svc.
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_WEBHOOK_URL",
        value_name = "URL",
        default_value = "http://localhost:9032"
    )]
    pub webhook_url: String,
    /// Operator key or access token to call with; better in the environment than on the command line.
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_KEY",
        hide_env_values = true,
        value_name = "KEY",
        default_value = "",
        hide_default_value = true
    )]
    pub key: SecretString,
    /// Tenant that the command concerns.
    #[arg(long, global = true, value_name = "TENANT", default_value = "default")]
    pub tenant: String,
    /// Prints JSON instead of tables: one document, field names as in the contract.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Signs a user in to an application and prints the tokens; keeps nothing.
    Login(LoginArgs),
    /// Exchanges a refresh token for new tokens.
    Refresh(RefreshArgs),
    /// Ends the session of a refresh token.
    Logout(LogoutArgs),
    /// Says whether an access or refresh token is good right now; exit code 1 when it is not.
    Introspect(IntrospectArgs),
    /// Manages the separate worlds of the deployment; needs an operator key.
    #[command(subcommand)]
    Tenants(TenantsCommand),
    /// Manages who may sign in.
    #[command(subcommand)]
    Users(UsersCommand),
    /// Manages what users sign in to.
    #[command(subcommand)]
    Applications(ApplicationsCommand),
    /// Manages API keys: credentials of programs that call auth-svc.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Shows and replaces the keys that tokens are signed by; needs an operator key.
    #[command(subcommand)]
    SigningKeys(SigningKeysCommand),
    /// Shows who did what, when, from where; newest first.
    Audit(AuditArgs),
    /// Looks at sessions, checks them and ends them.
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// Says how long sessions live, and why one ends when it ends.
    #[command(subcommand)]
    Policies(PoliciesCommand),
    /// Says where webhooks go.
    #[command(subcommand)]
    Endpoints(EndpointsCommand),
    /// Says what became of webhooks, and repeats them.
    #[command(subcommand)]
    Deliveries(DeliveriesCommand),
    /// Shows what happened, and follows it.
    #[command(subcommand)]
    Events(EventsCommand),
    /// Sends the events of the tenant to an application on this machine, signed as webhooks, as they arrive.
    Listen(ListenArgs),
    /// Receives webhooks on this machine, checks their signatures and prints them.
    Receive(ReceiveArgs),
    /// Runs the whole suite in this process, in memory, for development.
    Dev(DevArgs),
    /// Prints the completion script for a shell.
    Completion(CompletionArgs),
}
