//! What two threads do to one session at the same time: each test repeats a race for a while.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, ready},
};
use host_delivery::{
    clock::SystemClock,
    event_bus::{DeliverySettings, EventBus},
};
use serde_json::{Map, Value, json};
use tokio::{task::unconstrained, time::Instant};

use super::{Ending, Session, SessionConfig, SessionSpec, Sessions};
use crate::engine::{
    Engine, EngineError, EngineEvents, Me, SessionStatus,
    events::{Job, Report},
};

const PATIENCE: Duration = Duration::from_secs(1);

struct Obedient;

impl Engine for Obedient {
    fn name(&self) -> &str {
        "NOWEB"
    }

    fn start(&self, _: &str, _: EngineEvents) -> BoxFuture<'static, Result<(), EngineError>> {
        ready(Ok(())).boxed()
    }

    fn stop(&self, _: &str) -> BoxFuture<'static, Result<(), EngineError>> {
        ready(Ok(())).boxed()
    }

    fn call(
        &self,
        _: &str,
        _: &str,
        args: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, EngineError>> {
        ready(Ok(args)).boxed()
    }
}

/// Runs `ours` again and again. From when it calls the first closure until it calls the second, each
/// of `theirs` is repeated on a thread of its own.
fn race(theirs: &[&(dyn Fn() + Sync)], mut ours: impl FnMut(u64, &dyn Fn(), &dyn Fn()) -> bool) {
    let (begun, ended) = (Barrier::new(theirs.len() + 1), Barrier::new(theirs.len() + 1));
    let (wanted, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let begin = || {
        wanted.store(true, Ordering::SeqCst);
        begun.wait();
    };
    let end = || {
        wanted.store(false, Ordering::SeqCst);
        ended.wait();
    };
    thread::scope(|scope| {
        for repeated in theirs {
            scope.spawn(|| {
                loop {
                    begun.wait();
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    while wanted.load(Ordering::SeqCst) {
                        repeated();
                    }
                    ended.wait();
                }
            });
        }
        let start = Instant::now();
        let mut rounds = (0..).take_while(|_| start.elapsed() < PATIENCE);
        let lost = rounds.find(|n| !ours(*n, &begin, &end));
        over.store(true, Ordering::SeqCst);
        begun.wait();
        assert_eq!(lost, None, "the round that went wrong");
    });
}

fn session() -> (Arc<Sessions>, Arc<Session>) {
    let clock = Arc::new(SystemClock::new());
    let bus = EventBus::new(clock.clone(), DeliverySettings::default());
    let engine: Arc<dyn Engine> = Arc::new(Obedient);
    let engines = [("NOWEB".to_owned(), engine)].into_iter().collect();
    let sessions = Sessions::new(clock, bus, "1".to_owned(), engines);
    let session = sessions.create(SessionSpec::new("default"), std::iter::empty()).unwrap();
    (sessions, session)
}

fn now(future: impl Future<Output = ()>) {
    unconstrained(future).now_or_never().expect("nothing to wait for");
}

#[tokio::test]
async fn a_stopped_session_says_nothing_of_an_earlier_start() {
    let (_sessions, session) = session();
    let start = AtomicU64::new(0);
    let report = || {
        let start = start.load(Ordering::SeqCst);
        let report = Report::Status(SessionStatus::Working);
        super::queue::apply(&session, &[], Job { start, report });
    };
    race(&[&report], |_, begin, end| {
        now(session.start());
        start.store(session.latest_start(), Ordering::SeqCst);
        begin();
        now(session.shut_down(Ending::Stop));
        end();
        session.is_stopped()
    });
}

#[tokio::test]
async fn events_have_the_metadata_of_the_last_configuration() {
    let (_sessions, session) = session();
    let start = session.latest_start();
    let report = || {
        let me = Me { id: "1@c.us".into(), push_name: "Me".repeat(1 << 12), lid: None, jid: None };
        super::queue::apply(&session, &[], Job { start, report: Report::Me(Some(me)) });
    };
    let read = || drop(session.me());
    race(&[&report, &read], |n, begin, end| {
        begin();
        let metadata: Map<String, Value> = [("n".to_owned(), json!(n))].into_iter().collect();
        session.configure(SessionConfig { metadata: Some(metadata), ..SessionConfig::default() });
        end();
        let envelope = session.envelope();
        let body = envelope.render("evt_1", 0, "test", b"null");
        let body: Value = serde_json::from_slice(&body).unwrap();
        body["metadata"]["n"] == n
    });
}
