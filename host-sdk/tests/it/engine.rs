//! An engine whose sessions the test controls.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};
use host_sdk::{Engine, EngineError, EngineEvents, SessionStatus};
use parking_lot::Mutex;

pub(crate) struct TestEngine {
    name: &'static str,
    /// What a session is once it was started.
    after_start: SessionStatus,
    events: Mutex<BTreeMap<String, EngineEvents>>,
    starts: Mutex<usize>,
    /// No session stops while the test holds this.
    pub(crate) stopping: Arc<tokio::sync::Mutex<()>>,
}

impl TestEngine {
    pub(crate) fn new(name: &'static str) -> Arc<Self> {
        Self::starting(name, SessionStatus::Working)
    }

    pub(crate) fn starting(name: &'static str, after_start: SessionStatus) -> Arc<Self> {
        let (events, starts, stopping) = Default::default();
        Arc::new(Self { name, after_start, events, starts, stopping })
    }

    /// How often a session was started.
    pub(crate) fn starts(&self) -> usize {
        *self.starts.lock()
    }

    /// Where the session's events go.
    pub(crate) fn session(&self, name: &str) -> EngineEvents {
        self.events.lock()[name].clone()
    }
}

impl Engine for TestEngine {
    fn name(&self) -> &str {
        self.name
    }

    fn start(
        &self,
        session: &str,
        events: EngineEvents,
    ) -> BoxFuture<'static, Result<(), EngineError>> {
        self.events.lock().insert(session.to_owned(), events.clone());
        *self.starts.lock() += 1;
        let status = self.after_start;
        async move {
            events.status(status).await;
            events.settled().await;
            Ok(())
        }
        .boxed()
    }

    fn qr(&self, session: &str) -> BoxFuture<'static, Result<String, EngineError>> {
        ready(Ok(format!("2@{session}"))).boxed()
    }

    fn pairing_code(
        &self,
        _: &str,
        phone: &str,
    ) -> BoxFuture<'static, Result<String, EngineError>> {
        ready(Ok(format!("ABCD-{phone}"))).boxed()
    }

    fn stop(&self, _: &str) -> BoxFuture<'static, Result<(), EngineError>> {
        let stopping = self.stopping.clone();
        async move {
            drop(stopping.lock().await);
            Ok(())
        }
        .boxed()
    }

    fn call(
        &self,
        op: &str,
        _: &str,
        args: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, EngineError>> {
        let answer = match op {
            "echo" => Ok(args),
            other => Err(EngineError::Unsupported(other.to_owned())),
        };
        ready(answer).boxed()
    }
}
