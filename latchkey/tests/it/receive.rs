//! `latchkey receive`: believes what is signed, and nothing else.

use std::process::ExitStatus;

use svc_kit::{
    clock::{Clock as _, SystemClock},
    secret::hmac_sha256,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::Child,
};

use crate::program::{command, run};

const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const KEY: &[u8] = b"01234567890123456789012345678901";

/// Starts a receiver on a free port; returns its port.
async fn receiver(arguments: &[&str]) -> (Child, u16) {
    let arguments = [&["receive", "--port", "0"], arguments].concat();
    let mut child = command(&arguments, &[]).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let port = line.split(['/', ':']).find_map(|part| part.parse().ok()).unwrap_or_else(|| panic!("{line}"));
    // Keeps the pipe open and empty.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, port)
}

async fn post(port: u16, body: &str, key: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let timestamp = SystemClock.now().as_secs();
    let mac = hmac_sha256(key, &[format!("msg_1.{timestamp}.").as_bytes(), body.as_bytes()]);
    let request = format!(
        "POST /hooks HTTP/1.1\r\nhost: x\r\nconnection: close\r\nwebhook-id: msg_1\r\nwebhook-timestamp: {timestamp}\r\n\
         webhook-signature: v1,{}\r\ncontent-length: {}\r\n\r\n{body}",
        STANDARD.encode(mac),
        body.len(),
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response.lines().next().unwrap_or_default().to_owned()
}

async fn finished(child: Child) -> (ExitStatus, String) {
    let output = child.wait_with_output().await.unwrap();
    (output.status, String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn signed_webhooks_are_printed_and_others_refused() {
    let (child, port) = receiver(&["--secret", SECRET, "--count", "2", "--json"]).await;
    let body = r#"{"type":"session.revoked","data":{}}"#;
    assert!(post(port, body, b"another").await.contains("401"));
    assert!(post(port, body, KEY).await.contains("204"));
    let (status, stdout) = finished(child).await;
    assert!(status.success());
    let lines: Vec<serde_json::Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["signature"], "bad: no signature is by this secret");
    assert_eq!((lines[1]["signature"].as_str(), lines[1]["id"].as_str()), (Some("good"), Some("msg_1")));
    assert_eq!(lines[1]["body"]["type"], "session.revoked");
}

#[tokio::test]
async fn without_a_secret_nothing_is_checked_and_it_is_said() {
    let (child, port) = receiver(&["--count", "1"]).await;
    assert!(post(port, "no json", b"any").await.contains("204"));
    let (_, stdout) = finished(child).await;
    assert!(stdout.contains("signature not checked") && stdout.contains("no json"), "{stdout}");
}

#[tokio::test]
async fn a_secret_that_is_none_is_a_usage_error() {
    let ran = run(&["receive", "--secret", "hunter2"], &[]).await;
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("whsec_"), "{ran:?}");
}
