//! `latchkey dev` as a process: what it prints, when it refuses, how it stops.

use std::{net::TcpListener, process::Stdio};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::program::{command, run};

#[tokio::test]
async fn it_refuses_a_production_profile() {
    for profile in ["production", "ha"] {
        let ran = run(&["dev", "--free-ports"], &[("LATCHKEY_PROFILE", profile)]).await;
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains("LATCHKEY_PROFILE") && ran.stdout.is_empty(), "{ran:?}");
    }
}

#[tokio::test]
async fn it_names_the_ports_that_are_taken() {
    // Some offset at which the gRPC port of session-svc is ours.
    let (offset, _ours) = (20_000..21_000)
        .find_map(|offset| Some((offset, TcpListener::bind(("127.0.0.1", 9022 + offset)).ok()?)))
        .unwrap();
    let ran = run(&["dev", "--port-offset", &offset.to_string()], &[]).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    let named = format!("{} (session-svc gRPC)", 9022 + offset);
    assert!(ran.stderr.contains(&named) && ran.stderr.contains("--port-offset"), "{ran:?}");
}

#[tokio::test]
async fn it_refuses_a_seed_that_it_cannot_read() {
    let ran = run(&["dev", "--free-ports", "--seed", "/nowhere/seed.toml"], &[]).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("/nowhere/seed.toml"), "{ran:?}");
}

#[tokio::test]
async fn it_says_where_everything_is_and_stops_on_an_interrupt() {
    let mut child = command(&["dev", "--free-ports"], &[]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        said.push_str(&line);
        said.push('\n');
        if line.starts_with("Ctrl-C") {
            break;
        }
    }
    for expected in
        ["lost at exit", "http://localhost:", "ada@example.com", "correct horse battery staple", "demo-backend-secret"]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(
        said.contains("export LATCHKEY_KEY=dev-operator-key") && said.contains("latchkey sessions revoke"),
        "{said}"
    );
    let id = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let mut talk = String::new();
    child.stderr.take().unwrap().read_to_string(&mut talk).await.unwrap();
    assert!(child.wait().await.unwrap().success(), "{talk}");
    assert!(talk.contains("stopped"), "{talk}");
}
