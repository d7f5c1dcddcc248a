//! A replica on a runtime of its own, which can be killed: whatever it was doing stops where it is, as in a crash.

use std::sync::{Arc, Mutex};

use session_svc::{app::Sessions, store::redis::RedisStore};
use svc_kit::clock::ManualClock;
use tokio::runtime::{Builder, Runtime};

use crate::support::{
    mutant::{Fault, Mutant},
    use_cases::use_cases,
};

pub type Store = Mutant<RedisStore>;
pub const SHARDS: u16 = 2;

/// What every replica is started with.
#[derive(Clone)]
pub struct Recipe {
    pub url: String,
    pub clock: Arc<ManualClock>,
    pub fault: Fault,
}

impl Recipe {
    pub fn sessions(&self) -> Arc<Sessions<Store>> {
        let inner = RedisStore::new(&self.url, "", "test", SHARDS, 1).unwrap();
        Arc::new(use_cases(Arc::new(Mutant { inner, fault: self.fault }), self.clock.clone(), &[]))
    }
}

pub struct Replica {
    recipe: Recipe,
    running: Mutex<Option<(Runtime, Arc<Sessions<Store>>)>>,
}

impl Replica {
    pub fn start(recipe: Recipe) -> Self {
        let replica = Self { recipe, running: Mutex::new(None) };
        replica.restart();
        replica
    }

    /// Kills it and starts it anew, with nothing in its memory.
    pub fn restart(&self) {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let before = self.running.lock().unwrap().replace((runtime, self.recipe.sessions()));
        self.kill(before);
    }

    fn kill(&self, running: Option<(Runtime, Arc<Sessions<Store>>)>) {
        if let Some((runtime, _)) = running {
            runtime.shutdown_background();
        }
    }

    /// Makes a call; `None`: it was killed meanwhile, and nobody knows what became of it.
    pub async fn call<T, F>(&self, call: impl FnOnce(Arc<Sessions<Store>>) -> F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let task = {
            let running = self.running.lock().unwrap();
            let (runtime, sessions) = running.as_ref().unwrap();
            runtime.spawn(call(sessions.clone()))
        };
        task.await.ok()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let running = self.running.lock().unwrap().take();
        self.kill(running);
    }
}
