//! The table of the wire's docs, through the real plugin: from bytes to the documented JSON.

use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Fixture {
    name: String,
    hex: String,
    event: Option<Value>,
    documented: Option<Value>,
}

#[tokio::test]
async fn each_frame_becomes_the_json_of_the_documentation() {
    let fixtures: Vec<Fixture> =
        serde_json::from_str(include_str!("../../src/wire/fixtures.json")).unwrap();
    for fixture in fixtures {
        let waha = mock_engine::MockWaha::start("").await.unwrap();
        let frame = json!({ "frame": fixture.hex });
        let answer = waha.post("/mock/sessions/default/stanzas", frame).await;
        assert_eq!(answer.body["events"][0]["data"], fixture.event.unwrap_or_default());
        let all = waha.get("/api/default/presence").await.body;
        let known = all.as_array().unwrap().first().filter(|chat| chat["presences"] != json!([]));
        assert_eq!(known, fixture.documented.as_ref(), "{}", fixture.name);
    }
}
