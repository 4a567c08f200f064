//! The plugin on a test bench, with a host that the test controls.

use std::sync::Arc;

use host_abi::{
    EngineStatus, ErrorKind, Plugin, PluginError, PresenceUpdate, Request, Response, Snapshot,
    testing::FakeHost,
};
use presence_plugin::PresencePlugin;

pub(crate) const GET_ALL: u16 = 0;
pub(crate) const GET_CHAT: u16 = 1;
pub(crate) const SUBSCRIBE: u16 = 2;
pub(crate) const SET: u16 = 3;

pub(crate) const SESSION: &str = "default";
pub(crate) const CONTACT: &str = "2132132130@s.whatsapp.net";
pub(crate) const GROUP: &str = "11111111111111111111111@g.us";

/// The plugin and its host.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) fake: FakeHost,
    pub(crate) plugin: Arc<PresencePlugin>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with(b"", None)
    }

    pub(crate) fn with(config: &[u8], restore: Option<Snapshot>) -> Self {
        let fake = FakeHost::new();
        let plugin = PresencePlugin::create(fake.host(), config, restore).unwrap();
        Self { fake, plugin: Arc::new(plugin) }
    }

    /// The future of a response.
    pub(crate) fn ask(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<Response, PluginError>> + Send + 'static + use<> {
        self.plugin.clone().handle(request)
    }

    pub(crate) fn try_call(&self, request: Request) -> Result<Response, PluginError> {
        self.fake.run(self.ask(request))
    }

    /// The body of a 200.
    pub(crate) fn get(&self, request: Request) -> String {
        let response = self.try_call(request).unwrap();
        assert_eq!(response.status(), 200);
        text(&response)
    }

    pub(crate) fn get_all(&self) -> String {
        self.get(Request::new(GET_ALL, SESSION))
    }

    pub(crate) fn get_chat(&self, chat: &str) -> String {
        self.get(chat_request(GET_CHAT, chat))
    }

    pub(crate) fn subscribe(&self, chat: &str) -> Result<Response, PluginError> {
        self.try_call(chat_request(SUBSCRIBE, chat))
    }

    /// Sends one update of the engine's, in the typed form.
    pub(crate) fn tell(
        &self,
        chat: &str,
        participant: &str,
        status: EngineStatus,
        last_seen: Option<u64>,
    ) {
        let update = PresenceUpdate::new(participant, status, last_seen);
        self.plugin.on_presence(SESSION, chat, &[update]).unwrap();
    }

    /// Sends an event of the engine's, in JSON.
    pub(crate) fn event(&self, kind: &str, data: &str) -> Result<(), PluginError> {
        self.plugin.on_event(kind, SESSION, data.as_bytes())
    }

    pub(crate) fn connection(&self, state: &str) {
        self.event("connection.update", &format!(r#"{{"connection":"{state}"}}"#)).unwrap();
    }

    /// The payloads that were emitted since the last call.
    pub(crate) fn emitted(&self) -> Vec<String> {
        self.fake.emissions().into_iter().map(|emitted| emitted.payload).collect()
    }

    /// The chats that the engine was asked to subscribe to since the last call, in the engine's form.
    pub(crate) fn subscribed(&self) -> Vec<String> {
        let calls = self.fake.engine_calls().into_iter();
        let asked = calls.filter(|call| call.op == "presenceSubscribe").map(|call| {
            let args: serde_json::Value = serde_json::from_str(&call.args).unwrap();
            args["jid"].as_str().unwrap().to_owned()
        });
        asked.collect()
    }

    pub(crate) fn engine_refuses(&self) {
        let refusal = || Err(PluginError::new(ErrorKind::ENGINE, "not today"));
        self.fake.on_engine(move |_, _, _| refusal());
    }

    pub(crate) fn engine_agrees(&self) {
        self.fake.on_engine(|_, _, _| Ok(b"null".to_vec()));
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.fake.host().now_ms()
    }

    pub(crate) fn save(&self) -> Snapshot {
        self.fake.run(self.plugin.clone().export_state()).unwrap()
    }
}

pub(crate) fn chat_request(route: u16, chat: &str) -> Request {
    Request::new(route, SESSION).with_param(chat)
}

pub(crate) fn text(response: &Response) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}
