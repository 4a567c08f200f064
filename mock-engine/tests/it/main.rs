//! The mock as its users meet it: the library, the control API, the command.

#![allow(clippy::unwrap_used, reason = "in a test, a panic that names its line is what is wanted")]

mod command;
mod control;
mod determinism;
mod faults;
mod library;
mod recording;
mod scenarios;
mod serve;
mod two_plugins;
mod wire;

use mock_engine::MockWaha;

const PEOPLE: &str = r#"
[contacts.alice]
phone = "5511999990001"
last_online = "10m"

[contacts.bob]
phone = "5511999990002"
last_online = "3h"

[groups.team]
id = "120363041234567890"
participants = ["alice", "bob"]
"#;

/// A server on a stepped clock, with two contacts and a group.
async fn waha() -> MockWaha {
    MockWaha::start(PEOPLE).await.unwrap()
}
