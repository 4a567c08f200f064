//! Our own server: the gateway on the mock engine, the plugin from its library, on a free port.

use std::sync::atomic::{AtomicU16, Ordering};

use host_sdk::ApiKey;
use mock_engine::{MockWaha, Scenario, Speed};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

/// The API key of our server.
pub(crate) const KEY: &str = "a-key-of-ours";

/// A running server; stops when dropped.
pub(crate) struct Ours {
    pub(crate) url: String,
    _stop: oneshot::Sender<()>,
    _server: JoinHandle<()>,
    next: AtomicU16,
}

impl Ours {
    /// Starts a server that waits only briefly for the first update.
    pub(crate) async fn start() -> Self {
        Self::start_with(json!({ "firstUpdateWaitMs": 20, "resubscribePauseMs": 1 })).await
    }

    /// Starts a server with this configuration of the plugin.
    pub(crate) async fn start_with(config: Value) -> Self {
        let sessions = "[sessions.default]\n[sessions.web]\nengine = \"WEBJS\"\n";
        let waha = MockWaha::builder()
            .scenario(Scenario::parse(sessions).unwrap())
            .speed(Speed::Times(1.0))
            .seed(1)
            .api_key(ApiKey::parse(KEY).unwrap())
            .gateway(|gateway| gateway.plugin_config("presence", config))
            .build()
            .unwrap();
        waha.begin().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            let _ = waha.gateway().serve(listener, shutdown).await;
        });
        Self { url, _stop: stop, _server: server, next: AtomicU16::new(0) }
    }

    /// A new working session, isolated from other tests.
    pub(crate) async fn new_session(&self) -> String {
        let name = format!("isolated-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let made = self.call("POST", "/api/sessions", Some(&json!({ "name": name }))).await;
        assert_eq!(made.0, 201, "{}", made.1);
        self.works(&name).await;
        name
    }

    /// Waits until the session is WORKING; each iteration is a request, which paces the loop.
    pub(crate) async fn works(&self, session: &str) {
        for _ in 0..2_000 {
            let (_, session) = self.call("GET", &format!("/api/sessions/{session}"), None).await;
            if session.contains("\"WORKING\"") {
                return;
            }
        }
        panic!("the session does not reach WORKING");
    }

    /// A request, and the status and text of its answer.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, String) {
        crate::suite::call(&self.url, method, path, body).await
    }

    /// Makes a stanza arrive.
    pub(crate) async fn stanza(&self, session: &str, stanza: &Value) {
        let path = format!("/mock/sessions/{session}/stanzas");
        let (status, answer) = self.call("POST", &path, Some(stanza)).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Makes the engine emit an event.
    pub(crate) async fn event(&self, session: &str, event: &Value) {
        let path = format!("/mock/sessions/{session}/events");
        let (status, answer) = self.call("POST", &path, Some(event)).await;
        assert_eq!(status, 200, "{answer}");
    }
}

/// A webhook receiver that passes on each body.
pub(crate) struct Inbox {
    pub(crate) server: MockServer,
    bodies: tokio::sync::mpsc::UnboundedReceiver<String>,
}

struct PassOn(tokio::sync::mpsc::UnboundedSender<String>);

impl Respond for PassOn {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let _ = self.0.send(String::from_utf8_lossy(&request.body).into_owned());
        ResponseTemplate::new(200)
    }
}

impl Inbox {
    pub(crate) async fn open() -> Self {
        let server = MockServer::start().await;
        let (sender, bodies) = tokio::sync::mpsc::unbounded_channel();
        Mock::given(any()).respond_with(PassOn(sender)).mount(&server).await;
        Self { server, bodies }
    }

    /// The next body that contains this text.
    pub(crate) async fn next(&mut self, says: &str) -> String {
        loop {
            let body = self.bodies.recv().await.expect("a webhook");
            if body.contains(says) {
                return body;
            }
        }
    }
}
