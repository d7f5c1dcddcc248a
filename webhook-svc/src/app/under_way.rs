//! The attempts under way, and for which endpoints.

use std::collections::HashMap;

use svc_kit::error::chain;
use tokio::task::{Id, JoinError, JoinSet};

use crate::domain::endpoint::EndpointId;

/// Attempts that run, each as a task. However a task ends, its place is free again.
#[derive(Default)]
pub(super) struct UnderWay {
    tasks: JoinSet<()>,
    endpoints: HashMap<Id, EndpointId>,
}

impl UnderWay {
    /// Returns how many run.
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Returns how many run for each endpoint.
    pub(super) fn by_endpoint(&self) -> Vec<(EndpointId, usize)> {
        let mut counts: HashMap<&EndpointId, usize> = HashMap::new();
        for endpoint in self.endpoints.values() {
            *counts.entry(endpoint).or_default() += 1;
        }
        counts.into_iter().map(|(endpoint, count)| (endpoint.clone(), count)).collect()
    }

    /// Runs an attempt for an endpoint.
    pub(super) fn spawn(&mut self, endpoint: EndpointId, attempt: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(attempt);
        self.endpoints.insert(task.id(), endpoint);
    }

    /// Waits until one ends; `None` when none runs.
    pub(super) async fn ended(&mut self) -> Option<()> {
        let ended = self.tasks.join_next_with_id().await?;
        self.note(ended);
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.note(ended);
        }
        Some(())
    }

    fn note(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => {
                // Nothing is lost: the lease ends and the delivery is tried again.
                tracing::error!(error = chain(error), "an attempt panicked");
                error.id()
            }
        };
        self.endpoints.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use svc_kit::entropy::OsEntropy;

    use super::*;

    #[tokio::test]
    async fn a_place_is_free_again_however_the_attempt_ends() {
        let (mut under_way, endpoint) = (UnderWay::default(), EndpointId::generate(&OsEntropy));
        under_way.spawn(endpoint.clone(), async { panic!("on purpose") });
        under_way.spawn(endpoint.clone(), async {});
        assert_eq!((under_way.len(), under_way.by_endpoint()), (2, vec![(endpoint, 2)]));
        while under_way.ended().await.is_some() {}
        assert_eq!((under_way.len(), under_way.by_endpoint()), (0, vec![]));
    }
}
