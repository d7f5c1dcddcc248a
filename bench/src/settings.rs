//! What to measure, how long, and where the report goes.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};

/// Measures Latchkey's goals and writes `target/bench/report.json`.
#[derive(Debug, Parser)]
pub struct Arguments {
    /// Rounds of each measurement that takes turns; figures are medians over rounds.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Length of a round in milliseconds.
    #[arg(long, default_value_t = 1500)]
    round_ms: u64,
    /// Groups to run, by name, with commas; without it all that are quick. Of a group that has parts, `group.part` runs one.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Also the slow group: the shapes of cost from 10,000 to a million sessions.
    #[arg(long)]
    scale: bool,
    /// Also others' programs, in the groups that have some to compare with, and the group that is only about them.
    /// `scripts/install.sh peers` brings them.
    #[arg(long)]
    peers: bool,
    /// How long the group `footprint` keeps the services under load, in seconds.
    #[arg(long, default_value_t = 600)]
    soak_s: u64,
    /// Threads of the load generator.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Calls in flight, over all connections.
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// Connections, over all threads.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Where the report is written.
    #[arg(long, default_value = "target/bench/report.json")]
    report: PathBuf,
    /// Takes the part of a server; the measurement starts these.
    #[command(subcommand)]
    pub role: Option<Role>,
}

/// A part that this program plays in a process of its own.
#[derive(Clone, Debug, Subcommand)]
pub enum Role {
    /// A bare tonic echo.
    #[command(hide = true)]
    Echo {
        /// Where it answers.
        listen: SocketAddr,
    },
    /// session-svc, configured by the environment.
    #[command(hide = true)]
    SessionSvc,
    /// auth-svc, configured by the environment.
    #[command(hide = true)]
    AuthSvc,
    /// webhook-svc, configured by the environment.
    #[command(hide = true)]
    WebhookSvc,
}

/// The settings of a measurement.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Rounds of each measurement.
    pub rounds: usize,
    /// Length of a round.
    pub round: Duration,
    /// Groups and parts of groups by name; empty for the usual groups.
    pub only: Vec<String>,
    /// Whether the slow group runs as well.
    pub is_scale: bool,
    /// Whether others' programs are measured as well.
    pub has_peers: bool,
    /// How long services are kept under load for their memory.
    pub soak: Duration,
    /// Threads of the load generator.
    pub threads: usize,
    /// Connections of each thread.
    pub connections: usize,
    /// Calls in flight on each connection.
    pub in_flight: usize,
    /// Where the report is written.
    pub report: PathBuf,
}

impl Settings {
    /// Reads the command line; every count is at least one.
    pub fn new(arguments: &Arguments) -> Self {
        let threads = arguments.threads.max(1);
        let connections = arguments.connections.div_ceil(threads).max(1);
        Self {
            rounds: arguments.rounds.max(1),
            round: Duration::from_millis(arguments.round_ms.max(1)),
            only: arguments.only.clone(),
            is_scale: arguments.scale,
            has_peers: arguments.peers,
            soak: Duration::from_secs(arguments.soak_s),
            threads,
            connections,
            in_flight: arguments.in_flight.div_ceil(threads * connections).max(1),
            report: arguments.report.clone(),
        }
    }

    /// Says whether a part of a group is asked for: by its name, or with the whole group.
    pub fn wants(&self, group: &str, part: &str) -> bool {
        let is_meant = |name: &String| match name.split_once('.') {
            None => name == group,
            Some(named) => named == (group, part),
        };
        self.only.is_empty() || self.only.iter().any(is_meant)
    }

    /// Calls in flight over all connections.
    pub fn slots(&self) -> usize {
        self.threads * self.connections * self.in_flight
    }
}
