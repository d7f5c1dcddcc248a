//! The development stack in this process, and the program pointed at it.

use std::{future::Future, time::Duration};

use latchkey::dev::{self, DevOptions, DevServer, Ports, Seed};

use crate::program::{self, Ran};

const DEADLINE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running stack on ports of its own.
pub struct Stack {
    pub server: DevServer,
    environment: Vec<(&'static str, String)>,
}

impl Stack {
    pub async fn start() -> Self {
        let server = dev::start(DevOptions::new(Ports::free(), Seed::embedded().unwrap())).await.unwrap();
        let at = &server.addresses;
        let environment = vec![
            ("LATCHKEY_KEY", "dev-operator-key".to_owned()),
            ("LATCHKEY_AUTH_URL", format!("http://{}", at.auth_grpc)),
            ("LATCHKEY_SESSION_URL", format!("http://{}", at.session_grpc)),
            ("LATCHKEY_WEBHOOK_URL", format!("http://{}", at.webhook_grpc)),
        ];
        Self { server, environment }
    }

    /// The environment that points the program at the stack, with `more` laid over it.
    pub fn environment<'e>(&'e self, more: &[(&'e str, &'e str)]) -> Vec<(&'e str, &'e str)> {
        let own = self.environment.iter().map(|(name, value)| (*name, value.as_str()));
        own.chain(more.iter().copied()).collect()
    }

    pub async fn run(&self, arguments: &[&str]) -> Ran {
        self.run_in(arguments, &[]).await
    }

    pub async fn run_in(&self, arguments: &[&str], more: &[(&str, &str)]) -> Ran {
        program::run(arguments, &self.environment(more)).await
    }
}

/// Waits until `look` finds something.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let found = tokio::time::timeout(DEADLINE, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("{what}: not in time"))
}
