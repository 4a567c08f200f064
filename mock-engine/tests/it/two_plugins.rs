//! The presence plugin beside another one, in the same gateway.

use host_sdk::loader;
use mock_engine::{MockWaha, Scenario};

use crate::PEOPLE;

#[tokio::test]
async fn the_presence_plugin_and_the_counter_hear_the_same_session() {
    let counter = loader::load(loader::find("counter_plugin").unwrap()).unwrap();
    let waha = MockWaha::builder()
        .scenario(Scenario::parse(PEOPLE).unwrap())
        .gateway(|builder| builder.plugin(counter))
        .build()
        .unwrap();
    waha.begin().await;
    let before = waha.get("/api/default/count").await.body["count"].as_u64().unwrap();
    waha.engine().contact("alice").types().await.unwrap();
    let chat = waha.get("/api/default/presence/5511999990001@c.us").await;
    assert_eq!(chat.body["presences"][0]["lastKnownPresence"], "typing");
    let after = waha.get("/api/default/count").await.body["count"].as_u64().unwrap();
    assert_eq!(after, before + 1);
    let names: Vec<&str> = waha.gateway().plugins().map(|plugin| plugin.name.as_str()).collect();
    assert_eq!(names, ["presence", "counter"]);
}
