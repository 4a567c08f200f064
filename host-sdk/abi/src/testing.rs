//! A host for the tests of plugins: virtual time, scripted engine answers, recorded emissions.
//!
//! [`FakeHost::run`] drives a future, and the tasks that the plugin spawned, on the calling thread. When
//! all of them wait, time jumps to the next timer, so that a wait of an hour takes no real time.
//!
//! ```
//! use host_abi::testing::FakeHost;
//! use std::time::Duration;
//!
//! let fake = FakeHost::new();
//! let host = fake.host();
//! let before = host.now_ms();
//! fake.run(host.sleep(Duration::from_secs(3600)));
//! assert_eq!(host.now_ms() - before, 3_600_000);
//! ```

#![allow(clippy::missing_panics_doc, reason = "a test's tool panics to fail the test")]

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    mem,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use crate::{
    ErrorKind, Host, PluginError,
    abi::{BoxFuture, EmissionAbi, HostSide, Level, StoreOp, host_handle},
};

/// The time at which a [`FakeHost`] starts: 2023-06-14 05:08:46 UTC, in Unix milliseconds.
pub const START_MS: u64 = 1_686_719_326_000;

/// An event that a plugin emitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// The session.
    pub session: String,
    /// The event's name.
    pub event: String,
    /// The lane.
    pub lane: String,
    /// The keys.
    pub keys: Vec<String>,
    /// The payload, JSON.
    pub payload: String,
}

/// A call of a plugin to an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineCall {
    /// The operation.
    pub op: String,
    /// The session.
    pub session: String,
    /// The arguments, JSON.
    pub args: String,
}

type Answer = dyn Fn(&str, &str, &[u8]) -> Result<Vec<u8>, PluginError> + Send + Sync;

/// A host whose time and engine the test controls, and which records what the plugin does.
///
/// Cheap to clone: the clones share one state. Its lock is held for a lookup or a change, never while the
/// plugin's code runs, and a timer's waker is called after it is released.
#[derive(Clone)]
pub struct FakeHost(Arc<Mutex<State>>);

struct State {
    now_ms: u64,
    timers: BTreeMap<(u64, u64), Waker>,
    next_timer: u64,
    tasks: Vec<BoxFuture<()>>,
    emissions: Vec<Emitted>,
    calls: Vec<EngineCall>,
    answer: Arc<Answer>,
    engine_delay: Duration,
    store: BTreeMap<String, Vec<u8>>,
    log: Vec<String>,
}

impl Default for FakeHost {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeHost {
    /// Creates a host at [`START_MS`] whose engine answers `null` to every call, immediately.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            now_ms: START_MS,
            timers: BTreeMap::new(),
            next_timer: 0,
            tasks: Vec::new(),
            emissions: Vec::new(),
            calls: Vec::new(),
            answer: Arc::new(|_, _, _| Ok(b"null".to_vec())),
            engine_delay: Duration::ZERO,
            store: BTreeMap::new(),
            log: Vec::new(),
        })))
    }

    /// The handle for the plugin.
    #[must_use]
    pub fn host(&self) -> Host {
        Host::new(host_handle(self.clone()))
    }

    /// Sets the engine's answer to a call: operation, session, arguments.
    pub fn on_engine(
        &self,
        answer: impl Fn(&str, &str, &[u8]) -> Result<Vec<u8>, PluginError> + Send + Sync + 'static,
    ) {
        self.state().answer = Arc::new(answer);
    }

    /// Sets how long the engine takes for each answer.
    pub fn delay_engine(&self, delay: Duration) {
        self.state().engine_delay = delay;
    }

    /// Takes the events emitted since the last call.
    #[must_use]
    pub fn emissions(&self) -> Vec<Emitted> {
        mem::take(&mut self.state().emissions)
    }

    /// Takes the calls to the engine since the last call of this.
    #[must_use]
    pub fn engine_calls(&self) -> Vec<EngineCall> {
        mem::take(&mut self.state().calls)
    }

    /// Takes the lines logged through the host since the last call.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        mem::take(&mut self.state().log)
    }

    /// Drives `future` to its end, and the spawned tasks with it. Time jumps when all of them wait.
    ///
    /// # Panics
    ///
    /// When all of them wait and no timer is left.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            let flag = Arc::new(Flag::default());
            let waker = Waker::from(flag.clone());
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            self.settle();
            if let Poll::Ready(value) = polled {
                return value;
            }
            if !flag.0.load(Ordering::SeqCst) {
                assert!(self.jump(u64::MAX), "everything waits, and no timer is left");
            }
        }
    }

    /// Polls the spawned tasks until all of them wait.
    pub fn settle(&self) {
        loop {
            let flag = Arc::new(Flag::default());
            let waker = Waker::from(flag.clone());
            let mut tasks = mem::take(&mut self.state().tasks);
            tasks.retain_mut(|task| {
                task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
            });
            let mut state = self.state();
            let spawned = !state.tasks.is_empty();
            tasks.append(&mut state.tasks);
            state.tasks = tasks;
            if !spawned && !flag.0.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    /// Advances time, timer by timer, and polls the spawned tasks after each.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let until = self.state().now_ms.saturating_add(by);
        self.settle();
        while self.jump(until) {
            self.settle();
        }
        self.state().now_ms = until;
    }

    /// Fires the next timer if it is due by `until`.
    fn jump(&self, until: u64) -> bool {
        let mut state = self.state();
        let Some(entry) = state.timers.first_entry() else { return false };
        let (deadline, _) = *entry.key();
        if deadline > until {
            return false;
        }
        let waker = entry.remove();
        state.now_ms = state.now_ms.max(deadline);
        drop(state);
        waker.wake();
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, duration: Duration) -> Timer {
        let mut state = self.state();
        state.next_timer += 1;
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Timer { fake: self.clone(), key: (state.now_ms.saturating_add(ms), state.next_timer) }
    }
}

/// A timer, removed from the host's list when it is dropped.
struct Timer {
    fake: FakeHost,
    key: (u64, u64),
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.fake.state();
        if state.now_ms >= self.key.0 {
            return Poll::Ready(());
        }
        state.timers.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.fake.state().timers.remove(&self.key);
    }
}

impl HostSide for FakeHost {
    fn log_enabled(&self, _: Level, _: &str) -> bool {
        true
    }

    fn log(&self, _: Level, target: &str, message: &str) {
        self.state().log.push(format!("{target}: {message}"));
    }

    fn emit(&self, emission: &EmissionAbi<'_>) -> Result<(), PluginError> {
        let emitted = Emitted {
            session: emission.session().to_owned(),
            event: emission.event().to_owned(),
            lane: emission.lane().to_owned(),
            keys: emission.keys().iter().map(|key| key.as_str().to_owned()).collect(),
            payload: String::from_utf8_lossy(emission.payload()).into_owned(),
        };
        self.state().emissions.push(emitted);
        Ok(())
    }

    fn engine(
        &self,
        op: &str,
        session: &str,
        args: Vec<u8>,
    ) -> BoxFuture<Result<Vec<u8>, PluginError>> {
        let call = EngineCall {
            op: op.to_owned(),
            session: session.to_owned(),
            args: String::from_utf8_lossy(&args).into_owned(),
        };
        let (answer, delay) = {
            let mut state = self.state();
            state.calls.push(call);
            (state.answer.clone(), state.engine_delay)
        };
        let result = answer(op, session, &args);
        let wait = (!delay.is_zero()).then(|| self.wait(delay));
        Box::pin(async move {
            if let Some(wait) = wait {
                wait.await;
            }
            result
        })
    }

    fn store(
        &self,
        op: StoreOp,
        key: &str,
        value: Vec<u8>,
    ) -> BoxFuture<Result<Option<Vec<u8>>, PluginError>> {
        let store = &mut self.state().store;
        let result = match op {
            StoreOp::GET => Ok(store.get(key).cloned()),
            StoreOp::PUT => Ok(store.insert(key.to_owned(), value)),
            StoreOp::DELETE => Ok(store.remove(key)),
            StoreOp(other) => {
                let message = format!("unknown store operation {other}");
                Err(PluginError::new(ErrorKind::UNSUPPORTED, message))
            }
        };
        Box::pin(std::future::ready(result))
    }

    fn now_ms(&self) -> u64 {
        self.state().now_ms
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(self.wait(duration))
    }

    fn spawn(&self, _: &str, task: BoxFuture<()>) {
        self.state().tasks.push(task);
    }
}

impl fmt::Debug for FakeHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeHost").field("now_ms", &self.state().now_ms).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}
