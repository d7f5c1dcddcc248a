//! A program that plays relying parties: it says line by line where a browser must go, and is told what came of it.

use std::{path::PathBuf, process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
};

use crate::support::{Browser, Page};

/// Longest time for all that a program plays.
const DEADLINE: Duration = Duration::from_secs(60);

/// A file of the repository.
pub fn at(path: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path).display().to_string()
}

/// The Node that such programs run on.
pub fn node() -> String {
    at(".tools/relying-parties/node/node_modules/.bin/node")
}

/// Runs a program to its end; returns what it found.
pub async fn play(program: &str, arguments: &[&str]) -> Value {
    tokio::time::timeout(DEADLINE, played(program, arguments)).await.unwrap()
}

async fn played(program: &str, arguments: &[&str]) -> Value {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut party = command
        .spawn()
        .unwrap_or_else(|error| panic!("{program} does not start ({error}); scripts/install.sh test brings it"));
    let (mut ask, said) = (party.stdin.take().unwrap(), party.stdout.take().unwrap());
    let (mut lines, browser) = (BufReader::new(said).lines(), Browser::new());
    while let Some(line) = lines.next_line().await.unwrap() {
        let wish: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{program} says {line}"));
        if let Some(found) = wish.get("found") {
            return found.clone();
        }
        let address = wish["open"].as_str().or(wish["device"].as_str()).unwrap();
        let answer = came_of(&visit(&browser, address).await);
        ask.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
    }
    panic!("{program} ended before it was done; what it said is above");
}

/// Goes where a program wants, and does what the pages ask for: as Ada, who agrees to everything.
pub async fn visit(browser: &Browser, address: &str) -> Page {
    let mut page = browser.get(address, &[]).await;
    loop {
        page = if page.is_sign_in() {
            browser.sign_in(&page).await
        } else if page.html.contains("id=\"user-code\"") {
            let code = page.html.split("name=\"user_code\"").nth(1).unwrap().split("value=\"").nth(1).unwrap();
            let code = code.split('"').next().unwrap().to_owned();
            browser.submit(&page, &[("user_code", &code)]).await
        } else if page.html.contains("id=\"consent-allow\"") {
            browser.submit(&page, &[("decision", "allow")]).await
        } else {
            return page;
        };
    }
}

/// Where the browser ended, and the form that it would post there.
fn came_of(page: &Page) -> Value {
    if page.status == 303 {
        return json!({ "url": page.location() });
    }
    assert_eq!(page.status, 200, "{}", page.html);
    if !page.html.contains("<form") {
        return json!({});
    }
    let form: serde_json::Map<String, Value> =
        page.hidden_fields().into_iter().map(|(name, value)| (name, value.into())).collect();
    json!({ "url": page.action(), "form": form })
}
