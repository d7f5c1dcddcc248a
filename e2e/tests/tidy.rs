//! The shape of the workspace: who may depend on whom, what every file has, and what none has.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Crates and which crates of ours they may use.
const MAY_USE: [(&str, &[&str]); 8] = [
    ("proto", &[]),
    ("svc-kit", &[]),
    ("auth-svc", &["proto", "svc-kit"]),
    ("session-svc", &["proto", "svc-kit"]),
    ("webhook-svc", &["proto", "svc-kit"]),
    ("latchkey", &["proto", "svc-kit", "auth-svc", "session-svc", "webhook-svc"]),
    ("e2e", &["proto", "svc-kit", "auth-svc", "session-svc", "webhook-svc", "latchkey"]),
    ("bench", &["proto", "svc-kit", "auth-svc", "session-svc", "webhook-svc", "latchkey"]),
];
const SERVICES: [&str; 3] = ["auth-svc", "session-svc", "webhook-svc"];
/// Rooms of a service: directories and files directly under `src`.
const ROOMS: [&str; 21] = [
    "app",
    "boot.rs",
    "bus",
    "config.default.toml",
    "config.rs",
    "contract",
    "contract.rs",
    "crypto",
    "domain",
    "error.rs",
    "grpc",
    "http",
    "lib.rs",
    "main.rs",
    "ports",
    "ports.rs",
    "sessions",
    "store",
    "tokens",
    "auth",
    "policies",
];
const ADAPTERS: [&str; 6] = ["grpc", "http", "store", "bus", "crypto", "sessions"];
/// Production lines at which a second idea surely lives in a file.
const LINES_MAX: usize = 420;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(directory) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", ".git", ".tools", "node_modules"].contains(&name.as_str()) {
                found.extend(files(&path, extension));
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<(String, String)> {
    let root = root();
    let crates = MAY_USE.iter().flat_map(|(name, _)| files(&root.join(name), "rs"));
    crates
        .map(|path| (path.strip_prefix(&root).unwrap().display().to_string(), fs::read_to_string(&path).unwrap()))
        .collect()
}

/// The part of a file before its tests.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn crates_depend_in_one_direction() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        MAY_USE.iter().map(|(name, uses)| (*name, uses.iter().copied().collect())).collect();
    let mut problems = Vec::new();
    for (name, may_use) in &allowed {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        for line in manifest.lines() {
            let used = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if allowed.contains_key(used) && used != *name && !may_use.contains(used) {
                problems.push(format!("{name} must not depend on {used}"));
            }
        }
    }
    report(&problems);
}

#[test]
fn a_service_keeps_its_directions() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let Some(service) = SERVICES.iter().find(|service| path.starts_with(&format!("{service}/src/"))) else {
            continue;
        };
        let inside = path.trim_start_matches(&format!("{service}/src/"));
        let room = inside.split('/').next().unwrap_or_default();
        if !ROOMS.contains(&room) {
            problems.push(format!("{path}: no such room in a service"));
        }
        let text = production(&text);
        let mut forbid = |what: &str, why: &str| {
            if text.contains(what) {
                problems.push(format!("{path}: {what:?}: {why}"));
            }
        };
        if room == "domain" {
            for what in [
                "async fn",
                ".await",
                "proto::",
                "tokio::",
                "sqlx::",
                "redis::",
                "tracing::",
                "crate::app",
                "crate::ports",
            ] {
                forbid(what, "the domain is pure and knows nothing around it");
            }
        }
        if ["app", "ports", "ports.rs"].contains(&room) {
            for adapter in ADAPTERS {
                forbid(&format!("crate::{adapter}::"), "use cases know no adapter");
            }
        }
        if ADAPTERS.contains(&room) {
            for other in ADAPTERS.iter().filter(|other| **other != room) {
                forbid(&format!("crate::{other}::"), "adapters do not call one another");
            }
        }
    }
    report(&problems);
}

#[test]
fn every_file_says_what_it_is_for() {
    let without = sources().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path);
    report(&without.collect::<Vec<_>>());
}

#[test]
fn no_file_is_unreachable() {
    let sources = sources();
    let mut problems = Vec::new();
    for (path, _) in &sources {
        let file = Path::new(path);
        let stem = file.file_stem().unwrap().to_string_lossy();
        let directory = file.parent().unwrap();
        let is_root = ["lib", "main", "build"].contains(&stem.as_ref()) || directory.ends_with("tests");
        if is_root {
            continue;
        }
        let (name, home) = match stem.as_ref() {
            "mod" => (directory.file_name().unwrap().to_string_lossy().into_owned(), directory.parent().unwrap()),
            other => (other.to_owned(), directory),
        };
        let declares = |text: &str| text.lines().any(|line| line.trim_end().ends_with(&format!("mod {name};")));
        let parents = [home.join("mod.rs"), home.join("lib.rs"), home.join("main.rs"), home.with_extension("rs")];
        let is_declared =
            sources.iter().any(|(other, text)| parents.iter().any(|p| p == Path::new(other)) && declares(text));
        if !is_declared {
            problems.push(format!("{path}: no module declares it"));
        }
    }
    report(&problems);
}

#[test]
fn production_code_has_no_unfinished_or_silenced_parts() {
    // Split, so that this file does not accuse itself.
    let everywhere = [
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[all", "ow("),
        concat!("FIX", "ME"),
        concat!("../sha", "red"),
    ];
    let in_production = [".unwrap()", "Status::unimplemented", "std::thread::sleep"];
    let mut problems = Vec::new();
    for (path, text) in sources() {
        problems.extend(everywhere.iter().filter(|what| text.contains(**what)).map(|what| format!("{path}: {what}")));
        if is_test(&path) || path.starts_with("e2e/") {
            continue;
        }
        let production = production(&text);
        problems.extend(
            in_production.iter().filter(|what| production.contains(**what)).map(|what| format!("{path}: {what}")),
        );
        let lines = production.lines().count();
        if lines > LINES_MAX {
            problems.push(format!("{path}: {lines} lines; which second idea lives there?"));
        }
    }
    report(&problems);
}

#[test]
fn documents_lead_somewhere() {
    let root = root();
    let mut problems = Vec::new();
    for path in files(&root, "md") {
        let text = fs::read_to_string(&path).unwrap();
        let shown = path.strip_prefix(&root).unwrap().display().to_string();
        if text.contains(concat!("../sha", "red")) {
            problems.push(format!("{shown}: refers to a place outside of the project"));
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let is_outside = target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            if !is_outside && !path.parent().unwrap().join(target).exists() {
                problems.push(format!("{shown}: {link} leads nowhere"));
            }
        }
    }
    report(&problems);
}

/// Where a path that a document names may start.
fn starts() -> impl Iterator<Item = PathBuf> {
    let sources = ["auth-svc/src", "session-svc/src", "webhook-svc/src", "svc-kit/src", ""];
    sources.into_iter().map(|start| root().join(start))
}

#[test]
fn documents_name_files_and_functions_that_exist() {
    let root = root();
    let mut problems = Vec::new();
    for path in files(&root, "md") {
        let text = fs::read_to_string(&path).unwrap();
        for named in text.split('`').skip(1).step_by(2) {
            let (file, function) = named.split_once("::").unwrap_or((named, ""));
            if !file.contains('/') || !file.ends_with(".rs") || file.contains(char::is_whitespace) {
                continue;
            }
            let definition = format!("fn {function}");
            let mut found = starts().filter_map(|start| fs::read_to_string(start.join(file)).ok());
            if !found.any(|source| function.is_empty() || source.contains(&definition)) {
                problems.push(format!("{}: {named} does not exist", path.strip_prefix(&root).unwrap().display()));
            }
        }
    }
    report(&problems);
}

#[test]
fn decisions_are_numbered_without_gaps() {
    let records = files(&root().join("docs/adr"), "md");
    assert!(!records.is_empty());
    for (number, path) in records.iter().enumerate() {
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(name.starts_with(&format!("{:04}-", number + 1)), "{name} is out of line");
    }
}
