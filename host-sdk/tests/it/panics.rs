//! A plugin that panics costs its caller one error, and its host nothing.

use std::{
    sync::{Arc, Mutex, atomic::AtomicU64, atomic::Ordering},
    time::Duration,
};

use host_sdk::{
    EngineStatus, Gateway, LoadedPlugin, PresenceUpdate, SessionSpec,
    host_abi::{
        Host, Manifest, Plugin, PluginError, Request, Response, Route, Snapshot, testing::FakeHost,
    },
};

use crate::{clock::TestClock, engine::TestEngine, http::get};

/// Panics where the request or event asks for it.
struct Faulty {
    host: Host,
    lock: Mutex<u64>,
    requests: AtomicU64,
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "the bomb goes off");
    }
}

impl Plugin for Faulty {
    const MANIFEST: Manifest = Manifest {
        name: "faulty",
        routes: &[Route::new(0, "GET", "/api/{session}/faulty/{how}")],
        consumes: &["boom"],
        ..Manifest::EMPTY
    };

    fn create(host: Host, config: &[u8], restore: Option<Snapshot>) -> Result<Self, PluginError> {
        assert!(config != b"\"panic\"", "create goes off");
        let requests = restore.map_or(0, |snapshot| u64::from(snapshot.schema()));
        Ok(Self { host, lock: Mutex::new(0), requests: AtomicU64::new(requests) })
    }

    fn handle(
        self: Arc<Self>,
        request: Request,
    ) -> impl Future<Output = Result<Response, PluginError>> + Send + 'static {
        let how = request.param(0).unwrap_or_default().to_owned();
        assert!(how != "at-once", "handle goes off at once");
        async move {
            let requests = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
            match how.as_str() {
                "in-poll" => panic!("handle goes off"),
                "with-lock" => {
                    let _held = self.lock.lock();
                    panic!("handle goes off with a lock");
                }
                "in-drop" => {
                    let _bomb = Bomb;
                    self.host.sleep(Duration::from_secs(3600)).await;
                }
                "in-task" => self.host.spawn("task", async { panic!("the task goes off") }),
                _ => {}
            }
            Ok(Response::json(200, requests.to_string()))
        }
    }

    fn on_presence(&self, _: &str, _: &str, _: &[PresenceUpdate<'_>]) -> Result<(), PluginError> {
        panic!("on_presence goes off")
    }

    fn on_event(&self, _: &str, _: &str, _: &[u8]) -> Result<(), PluginError> {
        panic!("on_event goes off")
    }

    async fn export_state(self: Arc<Self>) -> Result<Snapshot, PluginError> {
        let requests = self.requests.load(Ordering::SeqCst);
        assert!(requests < 1_000, "export_state goes off");
        Ok(Snapshot::new(u32::try_from(requests).unwrap(), ""))
    }

    async fn stop(self: Arc<Self>, _: Duration) -> Result<(), PluginError> {
        panic!("stop goes off")
    }
}

async fn gateway() -> (Arc<TestEngine>, Gateway) {
    gateway_at(TestClock::at(0)).await
}

async fn gateway_at(clock: TestClock) -> (Arc<TestEngine>, Gateway) {
    let engine = TestEngine::new("NOWEB");
    let gateway = Gateway::builder()
        .clock(Arc::new(clock))
        .engine(engine.clone())
        .plugin(LoadedPlugin::linked::<Faulty>())
        .session(SessionSpec::new("default"))
        .build()
        .unwrap();
    gateway.start().await;
    (engine, gateway)
}

/// Runs all tasks of the test until they wait: its runtime has one thread and a first-in, first-out queue.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn failed(message: &str) -> String {
    format!(r#"500 {{"statusCode":500,"message":"{message}","error":"Internal Server Error"}}"#)
}

#[tokio::test]
async fn a_panic_in_a_request_is_one_500() {
    let (_engine, gateway) = gateway().await;
    let router = gateway.router();
    for (how, message) in [
        ("at-once", "panicked in handle: handle goes off at once"),
        ("in-poll", "panicked in handle: handle goes off"),
        ("with-lock", "panicked in handle: handle goes off with a lock"),
    ] {
        let answer = get(&router, &format!("/api/default/faulty/{how}")).await;
        assert_eq!(answer.line(), failed(message));
        assert_eq!(get(&router, "/api/default/faulty/not").await.status, 200);
    }
}

#[tokio::test]
async fn a_panic_in_an_event_a_task_or_the_stop_leaves_the_host_alive() {
    let clock = TestClock::at(0);
    let (engine, gateway) = gateway_at(clock.clone()).await;
    let router = gateway.router();
    let session = engine.session("default");
    session.presence("1", &[PresenceUpdate::new("1", EngineStatus::AVAILABLE, None)]).await;
    session.event("boom", "{}".into()).await;
    session.settled().await;
    assert_eq!(get(&router, "/api/default/faulty/in-task").await.line(), "200 1");
    settle().await;
    assert_eq!(get(&router, "/api/default/faulty/not").await.line(), "200 2");
    gateway.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_panic_while_a_request_is_dropped_leaves_the_host_alive() {
    let clock = TestClock::at(0);
    let (_engine, gateway) = gateway_at(clock.clone()).await;
    let router = gateway.router();
    let waiting = router.clone();
    let request = tokio::spawn(async move { get(&waiting, "/api/default/faulty/in-drop").await });
    clock.next_timer().await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    assert_eq!(get(&router, "/api/default/faulty/not").await.status, 200);
}

#[tokio::test]
async fn a_panic_in_create_is_an_error_of_the_build() {
    let error = Gateway::builder()
        .engine(TestEngine::new("NOWEB"))
        .plugin(LoadedPlugin::linked::<Faulty>())
        .plugin_config("faulty", "panic".into())
        .build()
        .unwrap_err();
    let expected = r#"plugin "faulty" failed to start: panicked in create: create goes off"#;
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_panic_in_export_state_is_an_error() {
    let fake = FakeHost::new();
    let state = Some(Snapshot::new(1_000, ""));
    let live = LoadedPlugin::linked::<Faulty>().create(fake.clone(), b"", state).unwrap();
    let error = fake.run(live.export_state()).unwrap_err();
    assert_eq!(error.message(), "panicked in export_state: export_state goes off");
}

#[tokio::test]
async fn after_eight_panics_the_instance_restarts_from_its_state() {
    let clock = TestClock::at(0);
    let (_engine, gateway) = gateway_at(clock.clone()).await;
    let router = gateway.router();
    for _ in 0..8 {
        assert_eq!(get(&router, "/api/default/faulty/with-lock").await.status, 500);
    }
    settle().await;
    // The count goes on, and the lock that was poisoned is a new one.
    assert_eq!(get(&router, "/api/default/faulty/not").await.line(), "200 9");
}
