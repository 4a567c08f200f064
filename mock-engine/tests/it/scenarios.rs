//! Scenarios: the embedded ones, the documented one, the format's schema.

use mock_engine::{Delay, MockWaha, Scenario, Speed, scenario::EMBEDDED};
use serde_json::Value;

async fn unmet(scenario: Scenario) -> Vec<String> {
    let ends = scenario.ends().expect("it ends");
    let waha = MockWaha::builder().scenario(scenario).build().unwrap();
    waha.begin().await;
    waha.advance(ends).await;
    waha.unmet().iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn every_embedded_scenario_is_as_it_expects() {
    for embedded in EMBEDDED {
        let unmet = unmet(embedded.scenario().unwrap()).await;
        assert!(unmet.is_empty(), "{}: {unmet:#?}", embedded.name);
    }
}

#[tokio::test]
async fn an_afternoon_gives_the_events_that_it_says() {
    let text = include_str!("../fixtures/an-afternoon.toml");
    let waha = MockWaha::start(text).await.unwrap();
    waha.advance("23s".parse().unwrap()).await;
    assert_eq!(waha.unmet(), []);
    let events: Vec<String> = waha
        .engine()
        .events("default")
        .iter()
        .map(|event| match event {
            mock_engine::noweb::Event::Presence { id, presences } => {
                format!("{id} {} {}", presences[0].participant, presences[0].status)
            }
            other => format!("{} {}", other.kind(), other.data()["connection"]),
        })
        .collect();
    insta::assert_json_snapshot!(events);
}

#[tokio::test]
async fn an_afternoon_is_as_it_expects_however_fast_it_goes() {
    for speed in [1e4, 1e5, 1e6] {
        let scenario = Scenario::parse(include_str!("../fixtures/an-afternoon.toml")).unwrap();
        let waha =
            MockWaha::builder().scenario(scenario).speed(Speed::Times(speed)).build().unwrap();
        waha.begin().await;
        while waha.get("/mock").await.body["play"]["over"] == false {
            tokio::task::yield_now().await;
        }
        assert_eq!(waha.unmet(), [], "{speed}");
    }
}

#[tokio::test]
async fn the_world_is_one_for_all_sessions_and_a_chat_is_between_two() {
    let people = "[sessions.a]\n[sessions.b]\n[contacts.alice]\nphone = \"1001\"\n";
    let waha = MockWaha::start(people).await.unwrap();
    let alice = || waha.engine().contact("alice");
    let to =
        |seen: Vec<(String, _)>| seen.into_iter().map(|(session, _)| session).collect::<Vec<_>>();
    assert_eq!(to(alice().comes_online().towards("a").await.unwrap()), ["a", "b"]);
    assert_eq!(to(alice().types().towards("a").await.unwrap()), ["a"]);
    assert_eq!(to(alice().says("hello").towards("b").await.unwrap()), ["b"]);
}

#[tokio::test]
async fn without_a_connection_there_is_no_subscription() {
    let text = "
timeline = [
    { at = \"1s\", connection = \"close\" },
    { at = \"2s\", expect = { unsubscribed = [\"alice\"] } },
]
[contacts.alice]
phone = \"1001\"
";
    assert_eq!(unmet(Scenario::parse(text).unwrap()).await, [""; 0]);
}

#[tokio::test]
async fn an_expectation_that_does_not_hold_is_named_with_its_line() {
    let text = "
[contacts.alice]
phone = \"5511999990001\"
[[timeline]]
at = \"1s\"
expect = { unsubscribed = [\"alice\"], presence = { chat = \"alice\", is = \"typing\", last_seen = false } }
[[timeline]]
at = \"2s\"
expect = { status = \"FAILED\", presence = { chat = \"alice\", is = \"offline\", last_seen = false } }
";
    let mut unmet = unmet(Scenario::parse_named("s.toml", text).unwrap()).await;
    let last_seen = unmet.pop().unwrap();
    assert!(
        last_seen.starts_with(
            "s.toml:7 (at 2s): expected alice in alice to have no last seen, found 16"
        ),
        "{last_seen}"
    );
    assert_eq!(
        unmet,
        [
            "s.toml:4 (at 1s): expected no subscription of alice, found one",
            "s.toml:4 (at 1s): expected alice in alice to be typing, found offline",
            "s.toml:7 (at 2s): expected the session to be FAILED, found WORKING",
        ]
    );
}

#[tokio::test]
async fn two_sessions_see_the_same_world_each_by_its_own_connection() {
    let text = "
[sessions.sales]
[sessions.support]
online = false
[contacts.alice]
phone = \"5511999990001\"
[[timeline]]
at = \"1s\"
who = \"alice\"
does = \"typing\"
[[timeline]]
at = \"2s\"
session = \"sales\"
expect = { presence = { chat = \"alice\", is = \"typing\" } }
[[timeline]]
at = \"2s\"
session = \"support\"
expect = { subscribed = [\"alice\"], presence = { chat = \"alice\", is = \"absent\" } }
";
    assert_eq!(unmet(Scenario::parse(text).unwrap()).await, [""; 0]);
}

#[test]
fn the_committed_schema_is_that_of_the_format() {
    let schema = serde_json::to_string_pretty(&Scenario::schema()).unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/scenario.schema.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == schema,
        "run: cargo run -p mock-engine -- scenario schema > mock-engine/scenario.schema.json"
    );
}

#[test]
fn every_scenario_fits_the_schema_and_a_wrong_one_does_not() {
    let schema = jsonschema::validator_for(&Scenario::schema()).unwrap();
    let json = |text: &str| toml_to_json(text);
    for embedded in EMBEDDED {
        let errors: Vec<_> =
            schema.iter_errors(&json(embedded.text)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", embedded.name);
    }
    assert!(schema.is_valid(&json(include_str!("../fixtures/an-afternoon.toml"))));
    assert!(!schema.is_valid(&json("[[timeline]]\nat = \"soon\"\nwho = \"a\"\ndoes = \"online\"")));
    assert!(!schema.is_valid(&json("[contcats.a]\nphone = \"1001\"")));
}

fn toml_to_json(text: &str) -> Value {
    let table: toml::Table = text.parse().unwrap();
    serde_json::to_value(table).unwrap()
}

#[tokio::test]
async fn a_day_of_many_people_plays_and_ends() {
    let text = "duration = \"1h\"\nseed = 5\n[traffic]\ncontacts = 200\ngroups = 5\nsleep = [0, 0]";
    let waha = MockWaha::start(text).await.unwrap();
    waha.advance("1h".parse::<Delay>().unwrap()).await;
    assert_eq!(waha.unmet(), []);
    let all = waha.get("/api/default/presence").await.body;
    assert_eq!(all.as_array().unwrap().len(), 205);
    assert!(waha.engine().events("default").len() > 1_000);
}
