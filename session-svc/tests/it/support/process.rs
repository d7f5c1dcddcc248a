//! session-svc as a process of its own, to be killed.

use std::process::Stdio;

use proto::session::v1::session_service_client::SessionServiceClient;
use secrecy::SecretString;
use svc_kit::testing::free_port;
use tokio::process::{Child, Command};

use super::{
    Client, by_id, eventually,
    service::{self, Setting},
};

pub struct Process {
    child: Child,
    url: String,
}

impl Process {
    /// Starts the program and waits until it serves.
    pub async fn start(settings: &[Setting<'_>]) -> Self {
        let port = free_port();
        let child = Command::new(env!("CARGO_BIN_EXE_session-svc"))
            .env("LATCHKEY_GRPC__LISTEN", format!("127.0.0.1:{port}"))
            .env("LATCHKEY_OPS__LISTEN", "127.0.0.1:0")
            .env("LATCHKEY_TELEMETRY__LOG_FILTER", "error")
            .envs(settings.iter().map(|(name, value)| (*name, value.as_str())))
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let process = Self { child, url: format!("http://127.0.0.1:{port}") };
        eventually("the process serves", || async {
            process.operator().validate_session(by_id("sess_aaaaaaaaaaaaaaaa")).await.ok()
        })
        .await;
        process
    }

    pub fn operator(&self) -> Client {
        let channel = svc_kit::client::channel(&self.url, service::CALL_DEADLINE).unwrap();
        let credential = SecretString::from(service::OPERATOR_KEY);
        SessionServiceClient::with_interceptor(channel, svc_kit::client::Outgoing::new(&credential))
    }

    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
