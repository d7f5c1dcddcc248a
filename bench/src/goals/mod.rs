//! What is measured. A group of goals that share their servers is one file; it is added by a line in [`GROUPS`].

mod auth;
mod calls;
mod footprint;
mod memory;
mod outbox;
mod peers;
mod scale;
mod user;
mod webhooks;

use futures::future::LocalBoxFuture;

use crate::{failure::Failure, report::Outcome, settings::Settings};

/// A group of goals that share their servers.
pub struct Group {
    /// Its name, for `--only`.
    pub name: &'static str,
    /// What it measures.
    pub about: &'static str,
    /// Its parts, where one may be asked for alone.
    pub parts: &'static [&'static str],
    /// Whether it runs without being asked for.
    pub is_usual: bool,
    /// Measures.
    pub run: fn(Settings) -> LocalBoxFuture<'static, Result<Outcome, Failure>>,
}

static GROUPS: [Group; 9] = [
    Group {
        name: "calls",
        about: "validate and refresh against a bare echo and the bare reads",
        parts: &[],
        is_usual: true,
        run: |settings| Box::pin(calls::run(settings)),
    },
    Group {
        name: "memory",
        about: "bytes in Redis for each session",
        parts: &[],
        is_usual: true,
        run: |settings| Box::pin(memory::run(settings)),
    },
    Group {
        name: "user",
        about: "a user with 100,000 sessions: lists and revocation",
        parts: &[],
        is_usual: true,
        run: |settings| Box::pin(user::run(settings)),
    },
    Group {
        name: "webhooks",
        about: "deliveries against bare signed POSTs, and what a backlog and receivers that never answer cost (needs PostgreSQL)",
        parts: &webhooks::PARTS,
        is_usual: false,
        run: |settings| Box::pin(webhooks::run(settings)),
    },
    Group {
        name: "outbox",
        about: "outboxes against lapin alone, and from a commit to the receiver (needs PostgreSQL and RabbitMQ)",
        parts: &[],
        is_usual: false,
        run: |settings| Box::pin(outbox::run(settings)),
    },
    Group {
        name: "auth",
        about: "logins against Argon2id alone, what they do to others, and tokens from codes (needs PostgreSQL)",
        parts: &auth::PARTS,
        is_usual: false,
        run: |settings| Box::pin(auth::run(settings)),
    },
    Group {
        name: "footprint",
        about: "memory of the services, idle and after ten minutes of load (needs PostgreSQL)",
        parts: &[],
        is_usual: false,
        run: |settings| Box::pin(footprint::run(settings)),
    },
    Group {
        name: "peers",
        about: "session-svc beside others that keep sessions (needs scripts/install.sh peers)",
        parts: &[],
        is_usual: false,
        run: |settings| Box::pin(peers::run(settings)),
    },
    Group {
        name: "scale",
        about: "the shapes of cost from 10,000 to a million sessions",
        parts: &[],
        is_usual: false,
        run: |settings| Box::pin(scale::run(settings)),
    },
];

impl Group {
    /// Says whether a name is that of the group or of a part of it.
    fn is_named(&self, name: &str) -> bool {
        let (group, part) = name.split_once('.').map_or((name, None), |(group, part)| (group, Some(part)));
        group == self.name && part.is_none_or(|part| self.parts.contains(&part))
    }
}

/// The groups that the settings ask for.
///
/// # Errors
/// [`Failure::Unexpected`] when there is no group of a name.
pub fn chosen(settings: &Settings) -> Result<Vec<&'static Group>, Failure> {
    if let Some(name) = settings.only.iter().find(|name| !GROUPS.iter().any(|group| group.is_named(name))) {
        let parts =
            |group: &Group| group.parts.iter().map(|part| format!(", {}.{part}", group.name)).collect::<String>();
        let names = GROUPS.each_ref().map(|group| format!("{}{}", group.name, parts(group))).join(", ");
        return Err(Failure::Unexpected(format!("there is no group {name}; there are {names}")));
    }
    let is_chosen = |group: &&Group| match settings.only.as_slice() {
        [] => {
            let is_asked_for = match group.name {
                "scale" => settings.is_scale,
                "peers" => settings.has_peers,
                _ => false,
            };
            group.is_usual || is_asked_for
        }
        only => only.iter().any(|name| group.is_named(name)),
    };
    Ok(GROUPS.iter().filter(is_chosen).collect())
}
