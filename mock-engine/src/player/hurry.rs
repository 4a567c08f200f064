//! A clock that never waits: [`Speed::Max`](crate::Speed::Max).

use tokio::task::AbortHandle;

use crate::time::VirtualClock;

/// The task that runs [`hurry_on`]; dropping this ends it.
#[derive(Debug)]
pub(super) struct Hurry(pub(super) AbortHandle);

impl Drop for Hurry {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Advances a clock to each timer as soon as there is one.
pub(super) async fn hurry_on(clock: VirtualClock) {
    loop {
        let wait = clock.next_timer().await;
        clock.advance(wait).await;
        tokio::task::yield_now().await;
    }
}
