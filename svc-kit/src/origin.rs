//! Where the work under way comes from: the address of whoever called, as far as it is known. It travels with the task.

use std::{future::Future, net::IpAddr};

tokio::task_local! {
    static CURRENT: Option<IpAddr>;
}

/// Runs `work` on behalf of a caller at `address`.
pub fn with_origin<F: Future>(address: Option<IpAddr>, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(address, work)
}

/// Returns the address of whoever caused the running task; `None` when nobody outside did, or it is not known.
pub fn current() -> Option<IpAddr> {
    CURRENT.try_with(|address| *address).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_origin_travels_with_the_task() {
        let address = Some(IpAddr::from([192, 0, 2, 7]));
        let seen = with_origin(address, async {
            tokio::task::yield_now().await;
            current()
        });
        assert_eq!((seen.await, current()), (address, None));
    }
}
