//! The server as a client meets it, over a real socket.

mod client;

use std::{future::IntoFuture, net::SocketAddr};

use tokio::net::TcpListener;

use self::client::Client;
use super::{MockWhatsApp, Options};
use crate::{
    Delay, Scenario, Speed,
    faults::{Faults, SendFault},
    scenario::Switch,
    wire::Node,
    world::{Act, Does, Rules},
};

const PEOPLE: &str = r#"
[contacts.alice]
phone = "5511999990001"
lid = "12345678901234"

[contacts.bob]
phone = "5511999990002"

[contacts.eve]
phone = "5511999990003"
stranger = true

[groups.team]
id = "120363041234567890"
participants = ["alice", "bob"]
"#;

const ALICE: &str = "5511999990001@s.whatsapp.net";
const TEAM: &str = "120363041234567890@g.us";
/// Two accounts.
const ANN: &str = "5511988880001";
const BEN: &str = "5511988880002";

/// A server on a stepped clock, and where it listens.
async fn server(options: Options) -> (MockWhatsApp, SocketAddr) {
    let scenario = Scenario::parse(PEOPLE).unwrap();
    let whatsapp = MockWhatsApp::new(scenario, Some(7), Speed::Stepped, options);
    whatsapp.begin().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = whatsapp.clients().merge(whatsapp.control());
    tokio::spawn(axum::serve(listener, router).into_future());
    (whatsapp, address)
}

async fn act(whatsapp: &MockWhatsApp, who: &str, does: Does, chat: Option<&str>) {
    let act = Act { who, does, chat, text: None, session: None };
    whatsapp.engine().act(act).await.unwrap();
}

fn subscribe(to: &str) -> Node {
    Node::new("presence").attr("type", "subscribe").attr("to", to)
}

fn available() -> Node {
    Node::new("presence").attr("type", "available").attr("name", "Ann")
}

fn typing(to: &str) -> Node {
    Node::new("chatstate").attr("to", to).child(Node::new("composing"))
}

#[tokio::test]
async fn a_client_sees_what_the_world_shows_to_it() {
    for dictionary in [3, 2] {
        let (whatsapp, address) = server(Options::default()).await;
        let mut client = Client::log_in(address, ANN, 1, dictionary).await;
        client.send(&available()).await;
        client.send(&subscribe(ALICE)).await;
        let shown = client.next("presence").await;
        assert_eq!((shown.get("from"), shown.get("type")), (Some(ALICE), Some("unavailable")));
        act(&whatsapp, "alice", Does::Online, None).await;
        assert_eq!(client.next("presence").await.get("type"), None);
        act(&whatsapp, "bob", Does::Typing, Some("team")).await;
        let typing = client.next("chatstate").await;
        assert_eq!(typing.get("from"), Some(TEAM));
        assert_eq!(typing.children()[0].tag, "composing");
    }
}

#[tokio::test]
async fn the_rules_of_the_world_hold_for_a_client() {
    let (whatsapp, address) = server(Options::default()).await;
    let mut client = Client::log_in(address, ANN, 1, 3).await;
    // Not online itself, and not subscribed.
    client.send(&subscribe(ALICE)).await;
    act(&whatsapp, "alice", Does::Online, None).await;
    client.send(&available()).await;
    client.send(&subscribe("5511999990003@s.whatsapp.net")).await;
    client.ping().await;
    act(&whatsapp, "eve", Does::Online, None).await;
    act(&whatsapp, "alice", Does::Typing, None).await;
    // The first thing that is shown is what came after it was online.
    assert_eq!(client.next_shown().await.tag, "chatstate");
}

#[tokio::test]
async fn two_accounts_see_and_hear_each_other() {
    let (_whatsapp, address) = server(Options::default()).await;
    let mut ann = Client::log_in(address, ANN, 1, 3).await;
    let mut ben = Client::log_in(address, BEN, 1, 2).await;
    let (jid_ann, jid_ben) = (format!("{ANN}@s.whatsapp.net"), format!("{BEN}@s.whatsapp.net"));
    ben.send(&available()).await;
    ben.send(&subscribe(&jid_ann)).await;
    assert_eq!(ben.next("presence").await.get("type"), Some("unavailable"));
    ann.send(&available()).await;
    let shown = ben.next("presence").await;
    assert_eq!((shown.get("from"), shown.get("type")), (Some(jid_ann.as_str()), None));
    ann.send(&typing(&jid_ben)).await;
    assert_eq!(ben.next("chatstate").await.get("from"), Some(jid_ann.as_str()));
    drop(ann);
    assert_eq!(ben.next("presence").await.get("type"), Some("unavailable"));
}

#[tokio::test]
async fn a_chat_state_for_a_client_that_is_away_lapses_and_a_message_does_not() {
    let ttl = Delay::from_millis(3_000);
    for (wait, kept) in [(1_000, true), (3_000, false)] {
        let options = Options { chatstate_ttl: ttl, ..Options::default() };
        let (whatsapp, address) = server(options).await;
        // A client that is away is not online.
        whatsapp.engine().set_rules(Rules { typing_needs_online: false, ..Rules::default() });
        let ben = Client::log_in(address, BEN, 1, 3).await;
        ben.leave().await;
        let mut ann = Client::log_in(address, ANN, 1, 3).await;
        ann.send(&typing(&format!("{BEN}@s.whatsapp.net"))).await;
        ann.ping().await;
        act(&whatsapp, "alice", Does::Message, None).await;
        let clock = whatsapp.engine().clock().clone();
        clock.advance(Delay::from_millis(wait).duration()).await;
        let mut ben = Client::connect(address, BEN, 1, 3).await;
        let waited: Vec<String> = ben.welcome().await.into_iter().map(|it| it.tag).collect();
        let expected: &[&str] = if kept { &["chatstate", "message"] } else { &["message"] };
        assert_eq!(waited, expected);
    }
}

#[tokio::test]
async fn a_connection_ends_as_the_code_says_and_comes_back_when_it_is_opened() {
    let (whatsapp, address) = server(Options::default()).await;
    let mock = whatsapp.engine();
    for (code, words) in [
        (428, "<xmlstreamend/>"),
        (503, r#"<stream:error code="503"/>"#),
        (411, "<ib><downgrade_webclient/></ib>"),
    ] {
        let mut client = Client::log_in(address, ANN, 1, 3).await;
        mock.connection(ANN, Switch::Close, code).await.unwrap();
        assert_eq!(client.last_words().await, words);
        let again = tokio::spawn(Client::log_in(address, ANN, 1, 3));
        mock.connection(ANN, Switch::Open, 0).await.unwrap();
        again.await.unwrap().leave().await;
    }
}

#[tokio::test]
async fn a_device_that_was_logged_out_is_refused() {
    let (whatsapp, address) = server(Options::default()).await;
    let mut client = Client::log_in(address, ANN, 1, 3).await;
    whatsapp.engine().connection(ANN, Switch::Close, 401).await.unwrap();
    assert!(client.last_words().await.contains("device_removed"));
    let mut client = Client::connect(address, ANN, 1, 3).await;
    assert_eq!(client.next_shown().await.to_string(), r#"<failure reason="401" location="mock"/>"#);
    Client::log_in(address, ANN, 2, 3).await;
}

#[tokio::test]
async fn a_second_connection_of_a_device_replaces_the_first() {
    let (_whatsapp, address) = server(Options::default()).await;
    let mut first = Client::log_in(address, ANN, 1, 3).await;
    let mut second = Client::log_in(address, ANN, 1, 3).await;
    assert!(first.last_words().await.contains("replaced"));
    second.ping().await;
}

#[tokio::test]
async fn a_reset_ends_all_connections_and_forgets_the_devices() {
    let (whatsapp, address) = server(Options::default()).await;
    let mut client = Client::log_in(address, ANN, 1, 3).await;
    assert!(whatsapp.engine().sessions().contains(&ANN.to_owned()));
    whatsapp.engine().reset(None).await;
    assert_eq!(client.last_words().await, "<xmlstreamend/>");
    assert!(!whatsapp.engine().sessions().contains(&ANN.to_owned()));
    Client::log_in(address, ANN, 1, 3).await.ping().await;
}

#[tokio::test]
async fn faults_and_the_journal_are_those_of_the_session() {
    let (whatsapp, address) = server(Options::default()).await;
    let mock = whatsapp.engine();
    let mut client = Client::log_in(address, ANN, 1, 3).await;
    client.send(&available()).await;
    client.ping().await;
    let faults = Faults { send: Some(SendFault::Timeout), ..Faults::default() };
    mock.set_faults(ANN, &faults).unwrap();
    client.send(&subscribe(ALICE)).await;
    client.ping().await;
    assert!(!mock.with_world(|world| world.is_subscribed(ANN, "alice").unwrap()));
    let faults: Faults = serde_json::from_value(serde_json::json!({ "drop": 1.0 })).unwrap();
    mock.set_faults(ANN, &faults).unwrap();
    act(&whatsapp, "bob", Does::Typing, None).await;
    mock.set_faults(ANN, &Faults::default()).unwrap();
    act(&whatsapp, "bob", Does::Recording, None).await;
    let shown = client.next("chatstate").await;
    assert_eq!(shown.children()[0].get("media"), Some("audio"));
    let journal = mock.journal(ANN, 0).unwrap();
    let sent: Vec<_> = journal.iter().filter(|it| it.node.tag == "presence").collect();
    let results: Vec<_> = sent.iter().map(|it| serde_json::json!(it.result)).collect();
    assert_eq!(results, ["sent", "timeout"]);
}

#[tokio::test]
async fn what_the_mock_does_not_know_is_refused_counted_and_written_down() {
    let (whatsapp, address) = server(Options::default()).await;
    let mut client = Client::log_in(address, ANN, 1, 3).await;
    let ask = Node::new("iq").attr("xmlns", "w:moon").attr("type", "get").attr("id", "9");
    client.send(&ask.child(Node::new("phase"))).await;
    let answer = client.next("iq").await;
    assert_eq!(answer.get("type"), Some("error"));
    assert_eq!(answer.children()[0].get("code"), Some("501"));
    client.send(&Node::new("moonshine")).await;
    client.ping().await;
    let unknown = whatsapp.server().unknown();
    let unknown: Vec<_> = unknown.iter().map(|(kind, times)| (kind.as_str(), *times)).collect();
    assert_eq!(unknown, [("iq w:moon get phase", 1), ("moonshine", 1)]);
    let journal = whatsapp.engine().journal(ANN, 0).unwrap();
    assert!(journal.iter().any(|entry| entry.node.tag == "moonshine"));
}

#[tokio::test]
async fn connections_and_frames_are_limited() {
    let (_whatsapp, address) = server(Options { connections: 1, ..Options::default() }).await;
    let mut client = Client::log_in(address, ANN, 1, 3).await;
    assert!(Client::refused(address).await.contains("503"));
    client.send_raw(&[0x10, 0, 1]).await;
    client.is_ended().await;
    Client::log_in(address, ANN, 1, 3).await.leave().await;
}

#[tokio::test]
async fn a_client_is_linked_by_the_text_of_its_qr_code() {
    let (whatsapp, address) = server(Options::default()).await;
    let mut client = Client::unlinked(address, "Ann").await;
    let offer = client.next("iq").await;
    let references = offer.children()[0].children();
    assert_eq!(references.len(), 6);
    let crate::wire::Content::Text(reference) = &references[0].content else {
        panic!("a text: {offer}");
    };
    let qr = client.qr(reference);
    let server = whatsapp.server();
    assert!(server.scan("2@nobody,AAAA,AAAA,AAAA", None, None).is_err());
    let paired = server.scan(&qr, None, None).unwrap();
    let success = client.next("iq").await;
    let pair = &success.children()[0];
    assert_eq!(pair.tag, "pair-success");
    let device = pair.children().iter().find(|it| it.tag == "device").unwrap();
    assert_eq!(device.get("jid"), Some(paired.jid.as_str()));
    client.check_identity(pair);
    client.send(&Node::new("iq").attr("type", "result").child(Node::new("pair-device-sign"))).await;
    assert_eq!(client.last_words().await, r#"<stream:error code="515"/>"#);
    // The same name has the same account, with one more device.
    let again = server.phone_of_name(Some("Ann"));
    assert_eq!(paired.jid, format!("{again}:1@s.whatsapp.net"));
    assert_eq!(server.next_device(&again), 2);
}
