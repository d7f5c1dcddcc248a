//! The attempts under way, for which tenants, and those that ended and are not recorded yet.

use std::collections::HashMap;

use svc_kit::error::chain;
use tokio::{
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep_until, timeout_at},
};

use crate::ports::Ended;

/// Of those under way, the share (one in so many) that is worth a turn of the engine when it has ended.
const WORTH_A_TURN: usize = 4;

/// Attempts that run, each as a task, and leave what is to be recorded, if anything. However a task ends, its place is free
/// again.
#[derive(Default)]
pub(super) struct UnderWay {
    tasks: JoinSet<Option<Ended>>,
    tenants: HashMap<Id, String>,
    ended: Vec<Ended>,
}

impl UnderWay {
    /// Returns how many run.
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Returns how many run for each tenant.
    pub(super) fn by_tenant(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for tenant in self.tenants.values() {
            *counts.entry(tenant.clone()).or_default() += 1;
        }
        counts
    }

    /// Runs an attempt for a tenant.
    pub(super) fn spawn(&mut self, tenant: String, attempt: impl Future<Output = Option<Ended>> + Send + 'static) {
        let task = self.tasks.spawn(attempt);
        self.tenants.insert(task.id(), tenant);
    }

    /// Waits until one ends; `None` when none runs.
    pub(super) async fn ended(&mut self) -> Option<()> {
        let ended = self.tasks.join_next_with_id().await?;
        self.note(ended);
        Some(())
    }

    /// Waits until then, but no longer than until so many of them have ended that another turn is worth it.
    pub(super) async fn gather(&mut self, until: Instant) {
        let all = self.tasks.len() + self.ended.len();
        while all == 0 || (all - self.tasks.len()) * WORTH_A_TURN < all {
            match timeout_at(until, self.ended()).await {
                Ok(Some(())) => {}
                Ok(None) => return sleep_until(until).await,
                Err(_) => return,
            }
        }
    }

    /// Takes what is to be recorded.
    pub(super) fn take_ended(&mut self) -> Vec<Ended> {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.note(ended);
        }
        std::mem::take(&mut self.ended)
    }

    fn note(&mut self, ended: Result<(Id, Option<Ended>), JoinError>) {
        let id = match ended {
            Ok((id, ended)) => {
                self.ended.extend(ended);
                id
            }
            Err(error) => {
                // Nothing is lost: the lease ends and the delivery is tried again.
                tracing::error!(error = chain(&error), "an attempt panicked");
                error.id()
            }
        };
        self.tenants.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ACME: &str = "acme";

    #[tokio::test]
    async fn a_place_is_free_again_however_the_attempt_ends() {
        let mut under_way = UnderWay::default();
        under_way.spawn(ACME.to_owned(), async { panic!("on purpose") });
        under_way.spawn(ACME.to_owned(), async { None });
        assert_eq!((under_way.len(), under_way.by_tenant()), (2, [(ACME.to_owned(), 2)].into()));
        while under_way.ended().await.is_some() {}
        assert_eq!((under_way.len(), under_way.by_tenant()), (0, [].into()));
    }

    /// How long it gathers, of ten of which so many end one millisecond after the other.
    async fn gathers(count: u64) -> u64 {
        let (mut under_way, started) = (UnderWay::default(), Instant::now());
        for n in 1..=10 {
            let length = Duration::from_millis(if n <= count { n } else { 1_000 });
            under_way.spawn(ACME.to_owned(), async move {
                tokio::time::sleep(length).await;
                None
            });
        }
        under_way.gather(started + Duration::from_millis(5)).await;
        u64::try_from(started.elapsed().as_millis()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn it_gathers_until_a_quarter_has_ended_or_the_time_is_up() {
        assert_eq!([gathers(10).await, gathers(3).await, gathers(2).await, gathers(0).await], [3, 3, 5, 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_attempts_it_only_keeps_the_time() {
        let started = Instant::now();
        UnderWay::default().gather(started + Duration::from_millis(5)).await;
        UnderWay::default().gather(started + Duration::from_millis(2)).await;
        assert_eq!(started.elapsed(), Duration::from_millis(5));
    }
}
