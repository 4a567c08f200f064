//! Drivers other than `mock`, which the other tests use.

use std::time::Duration;

use conformance_tests::{
    Ability, Driver, Environment, Outcome, Receiver, Settings, Target,
    driver::{self, Action, Becomes, DriverError, Step},
    report::terminal,
};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_json, header, method, path},
};

use crate::{
    ours::{KEY, Ours},
    suite::{all, try_all},
};

const OURS: &str = "5511999990001@c.us";
const PEER: &str = "5511999990002@c.us";

async fn account(server: &MockServer, session: &str, id: &str) {
    let me = json!({ "id": id, "pushName": "Alice" });
    Mock::given(method("GET"))
        .and(path(format!("/api/sessions/{session}/me")))
        .respond_with(ResponseTemplate::new(200).set_body_json(me))
        .mount(server)
        .await;
}

#[tokio::test]
async fn a_peer_types_to_the_account_under_test() {
    let (ours, peer) = (MockServer::start().await, MockServer::start().await);
    account(&ours, "default", OURS).await;
    account(&peer, "bob", PEER).await;
    let steps = [
        (Becomes::Online, json!({ "presence": "online" })),
        (Becomes::Typing, json!({ "presence": "typing", "chatId": OURS })),
        (Becomes::Recording, json!({ "presence": "recording", "chatId": OURS })),
        (Becomes::Stopped, json!({ "presence": "paused", "chatId": OURS })),
        (Becomes::Offline, json!({ "presence": "offline" })),
    ];
    for (_, body) in &steps {
        Mock::given(method("POST"))
            .and(path("/api/bob/presence"))
            .and(header("x-api-key", "the-peers"))
            .and(body_json(body))
            .respond_with(ResponseTemplate::new(201))
            .expect(1)
            .mount(&peer)
            .await;
    }
    let target = Target::new(&ours.uri(), None, Duration::from_secs(5)).unwrap();
    let name = format!("peer:{}#bob", peer.uri());
    let key = Some("the-peers".to_owned());
    let driver = driver::connect(&name, "default", &target, key).await.unwrap();
    assert_eq!(driver.only_contact(), Some(PEER));
    assert_eq!(driver.abilities(), [Ability::Presence]);
    for (is, _) in steps {
        let (chat, participant) = (PEER.to_owned(), PEER.to_owned());
        let action = Action::Presence { chat, participant, is, last_seen: None };
        driver.perform(&Step { session: "default".to_owned(), action }).await.unwrap();
    }
}

#[tokio::test]
async fn a_peer_without_a_session_is_refused() {
    let target = Target::new("http://127.0.0.1:1", None, Duration::from_secs(5)).unwrap();
    let error = driver::connect("peer:http://127.0.0.1:1", "default", &target, None).await;
    let error = error.unwrap_err();
    assert!(matches!(error, DriverError::Misnamed { .. }));
    assert!(error.to_string().contains("missing session; expected peer:URL#SESSION"), "{error}");
}

/// Controls one contact through the mock, as the drivers `peer` and `manual` do.
#[derive(Debug)]
struct OneContact(Box<dyn Driver>);

impl Driver for OneContact {
    fn name(&self) -> &str {
        "one contact"
    }

    fn abilities(&self) -> &[Ability] {
        &[Ability::Presence]
    }

    fn only_contact(&self) -> Option<&str> {
        Some(PEER)
    }

    fn perform<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Result<Value, DriverError>> {
        self.0.perform(step)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_that_share_a_contact_do_not_confuse_their_events() {
    let ours = Ours::start().await;
    let session = ours.new_session().await;
    let target = Target::new(&ours.url, Some(KEY.to_owned()), Duration::from_secs(5)).unwrap();
    let name = format!("mock:{}", ours.url);
    let mock = driver::connect(&name, &session, &target, None).await.unwrap();
    let receiver = Receiver::listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let settings = Settings {
        settle: Duration::from_millis(100),
        ..Settings::new(&session, Duration::from_secs(5))
    };
    let driver = Box::new(OneContact(mock));
    let environment = Environment::prepare(target, driver, receiver, settings).await.into();
    let checks = all().into_iter().filter(|check| check.needs_driver()).collect();
    let report = try_all(&environment, checks).await;
    let text = terminal::render(&report, false);
    assert!(report.tried() > 20, "{text}");
    assert_eq!(report.count(Outcome::Pass), report.tried(), "{text}");
}
