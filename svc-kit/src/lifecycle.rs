//! Life and end of a process: tasks that are accounted for, and a shutdown in two stages.
//!
//! *Soft*: stop accepting, finish what is under way. *Hard*: drop what is left. Everything that runs is spawned here, so
//! that waiting means waiting for all of it. A task that fails or panics takes the process down in order: a service that
//! lost one of its parts must not go on as if it were whole.

use std::{
    error::Error,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::FutureExt as _;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::error::chain;

/// A task ended although nobody had asked it to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("task {task} crashed: {cause}")]
pub struct Crashed {
    /// Name of the task.
    pub task: String,
    /// Why.
    pub cause: String,
}

/// Shared handle on a set of tasks that live and end together.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
    crash: Arc<Mutex<Option<Crashed>>>,
}

impl Lifecycle {
    /// Makes a set without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a set of its own that also ends when this one does.
    pub fn child(&self) -> Self {
        Self { soft: self.soft.child_token(), hard: self.hard.child_token(), ..Self::default() }
    }

    /// Resolves when accepting must stop.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Resolves when everything must be dropped.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Says whether shutdown has begun.
    pub fn is_draining(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Runs a task. It must watch [`soft`](Self::soft) and return soon after; at [`hard`](Self::hard) it is dropped. An
    /// error or a panic shuts everything down and is reported by [`wait`](Self::wait).
    pub fn spawn<E, F>(&self, name: impl Into<String>, task: F)
    where
        E: Error,
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let (name, this) = (name.into(), self.clone());
        self.tasks.spawn(async move {
            let guarded = AssertUnwindSafe(task).catch_unwind();
            let cause = tokio::select! {
                biased;
                result = guarded => match result {
                    Ok(Ok(())) if this.is_draining() => return,
                    Ok(Ok(())) => "it returned".to_owned(),
                    Ok(Err(error)) => chain(&error),
                    Err(_) => "it panicked".to_owned(),
                },
                () = this.hard.cancelled() => return,
            };
            this.crashed(Crashed { task: name, cause });
        });
    }

    fn crashed(&self, crash: Crashed) {
        tracing::error!(task.name = crash.task, error = crash.cause, "a task crashed; shutting down");
        self.crash.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(crash);
        self.soft.cancel();
    }

    /// Begins the soft stage.
    pub fn shutdown(&self) {
        self.soft.cancel();
    }

    /// Waits for the soft stage to begin, then for the tasks to end, at most `grace`; drops what is left then.
    ///
    /// # Errors
    /// [`Crashed`] when a task ended before it was asked to.
    pub async fn wait(&self, grace: Duration) -> Result<(), Crashed> {
        self.soft.cancelled().await;
        self.tasks.close();
        let drained = tokio::select! {
            () = self.tasks.wait() => true,
            () = self.hard.cancelled() => false,
            () = tokio::time::sleep(grace) => false,
        };
        if !drained {
            tracing::warn!("not everything ended in time; dropping the rest");
        }
        self.hard.cancel();
        self.tasks.wait().await;
        self.crash.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    /// Shuts down on SIGINT or SIGTERM, and drops everything on the second one.
    ///
    /// # Errors
    /// Fails when signal handlers cannot be installed.
    pub fn watch_signals(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let this = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if this.is_draining() {
                    tracing::warn!("second signal; stopping at once");
                    return this.hard.cancel();
                }
                tracing::info!("stopping; signal again to stop at once");
                this.shutdown();
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    const GRACE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn tasks_finish_before_wait_returns() {
        let lifecycle = Lifecycle::new();
        let (token, done) = (lifecycle.soft().clone(), Arc::new(Mutex::new(false)));
        let seen = done.clone();
        lifecycle.spawn("worker", async move {
            token.cancelled().await;
            *seen.lock().unwrap() = true;
            Ok::<_, Infallible>(())
        });
        lifecycle.shutdown();
        assert_eq!(lifecycle.wait(GRACE).await, Ok(()));
        assert!(*done.lock().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_is_dropped_after_the_grace() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("stuck", std::future::pending::<Result<(), Infallible>>());
        lifecycle.shutdown();
        assert_eq!(lifecycle.wait(GRACE).await, Ok(()));
    }

    #[tokio::test]
    async fn a_crash_shuts_down_and_is_reported() {
        type Body = fn() -> Result<(), std::fmt::Error>;
        let cases: [(&str, Body); 3] = [
            ("it returned", || Ok(())),
            ("it panicked", || panic!("boom")),
            ("an error occurred when formatting an argument", || Err(std::fmt::Error)),
        ];
        for (cause, body) in cases {
            let lifecycle = Lifecycle::new();
            lifecycle.spawn("worker", async move { body() });
            let expected = Crashed { task: "worker".into(), cause: cause.into() };
            assert_eq!(lifecycle.wait(GRACE).await, Err(expected));
        }
    }

    #[tokio::test]
    async fn a_child_ends_with_its_parent_and_not_the_other_way() {
        let parent = Lifecycle::new();
        let (one, two) = (parent.child(), parent.child());
        one.shutdown();
        assert!(one.is_draining() && !parent.is_draining() && !two.is_draining());
        parent.shutdown();
        assert!(two.is_draining());
    }
}
