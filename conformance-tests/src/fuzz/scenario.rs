//! A counterexample as a TOML scenario for a mock engine.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{
    Act, Change, Model,
    act::{CONTACTS, GROUPS},
    model::participant,
};
use crate::{
    Failure,
    driver::{LastSeen, engine_id, presence_stanza},
    report::terminal::harmless,
};

/// The file's ids, which replace the run's random ones.
fn id(number: usize) -> String {
    if number < CONTACTS {
        format!("551199999000{}@c.us", number + 1)
    } else {
        format!("12036304123456789{}@g.us", number - CONTACTS)
    }
}

fn name(number: usize) -> String {
    if number < CONTACTS {
        ["alice", "bob", "carol"][number].to_owned()
    } else {
        format!("group{}", number - CONTACTS + 1)
    }
}

/// The head of a file whose failure needs a failing receiver.
const NOT_ALONE: &str = "\
# THIS FILE ALONE DOES NOT REPRODUCE THE FAILURE. The webhook receiver answered 500 at the marked point,
# which a scenario cannot express. This command reproduces the failure:
#
";

/// The sequence as a scenario whose last steps expect the model's state.
///
/// A scenario cannot make the application's webhook receiver fail. If the sequence does, the file
/// says so and names `again`, the command that reproduces the failure.
pub fn to_toml(acts: &[Act], again: &str, failure: &Failure) -> String {
    let mut text = String::new();
    if acts.contains(&Act::ReceiverFails) {
        text += NOT_ALONE;
    }
    for line in harmless(&format!("{again}\n\n{failure}")).lines() {
        let _ = writeln!(text, "{}", format!("# {line}").trim_end());
    }
    let _ = writeln!(text, "name = \"counterexample\"");
    let _ = writeln!(text, "description = \"Found by conformance fuzz.\"");
    let _ = writeln!(text, "subscribe = []");
    for number in 0..CONTACTS {
        let phone = id(number).replace("@c.us", "");
        let _ = writeln!(text, "\n[contacts.{}]\nphone = \"{phone}\"", name(number));
    }
    let people: Vec<String> = (0..CONTACTS).map(|it| format!("\"{}\"", name(it))).collect();
    for number in CONTACTS..CONTACTS + GROUPS {
        let digits = id(number).replace("@g.us", "");
        let _ = writeln!(text, "\n[groups.{}]\nid = \"{digits}\"", name(number));
        let _ = writeln!(text, "participants = [{}]", people.join(", "));
    }
    let mut model = Model::default();
    let mut at = 0;
    for act in acts {
        model.apply(act);
        if *act == Act::ReceiverFails {
            text += "\n# Here the receiver answers the next webhook with 500, which a scenario cannot express.\n";
        }
        for line in steps(act) {
            at += 1;
            let _ = writeln!(text, "\n[[timeline]]\nat = \"{at}s\"\n{line}");
        }
    }
    at += 1;
    for (chat, records) in &model.chats {
        for (who, record) in records {
            let expect = json!({ "presence": {
                "chat": name(*chat),
                "participant": name(*who),
                "is": record.status,
                "last_seen": record.last_seen.is_some(),
            }});
            let expect = inline(&expect);
            let _ = writeln!(text, "\n[[timeline]]\nat = \"{at}s\"\nexpect = {expect}");
        }
    }
    text
}

/// The steps of one act; none for acts that a scenario cannot express.
fn steps(act: &Act) -> Vec<String> {
    match *act {
        Act::Presence { chat, who, change } => {
            let (chat, who) = (id(chat), id(participant(chat, who)));
            vec![change_step(&chat, &who, change)]
        }
        Act::Message { chat, who } => {
            let key = json!({
                "remoteJid": engine_id(&id(chat)),
                "participant": engine_id(&id(participant(chat, who))),
                "fromMe": false,
                "id": "3EB0C0FFEE",
            });
            let message = json!({ "key": key, "message": { "conversation": "hello" } });
            let data = inline(&json!({ "messages": [message], "type": "notify" }));
            vec![format!("event = \"messages.upsert\"\ndata = {data}")]
        }
        Act::Subscribe(chat) | Act::GetChat(chat) => {
            vec![format!("subscribe = [\"{}\"]", name(chat))]
        }
        Act::Reconnect => {
            vec!["connection = \"close\"".to_owned(), "connection = \"open\"".to_owned()]
        }
        Act::GetAll | Act::ReceiverFails => Vec::new(),
    }
}

fn change_step(chat: &str, who: &str, change: Change) -> String {
    let (is, last_seen) = match change {
        Change::Becomes(is) => (is, None),
        Change::LeftAt(seconds) => (crate::driver::Becomes::Offline, Some(LastSeen::At(seconds))),
        Change::LeftHidden => (crate::driver::Becomes::Offline, Some(LastSeen::Text("deny"))),
        Change::Paused | Change::Unknown => {
            let word = if change == Change::Paused { "paused" } else { "daydreaming" };
            let presences = json!({ engine_id(who): { "lastKnownPresence": word } });
            let data = inline(&json!({ "id": engine_id(chat), "presences": presences }));
            return format!("event = \"presence.update\"\ndata = {data}");
        }
    };
    format!("stanza = {}", inline(&presence_stanza(chat, who, is, last_seen.as_ref())))
}

/// JSON as a one-line TOML value; nulls are omitted.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let pair =
                |(key, value): (&String, &Value)| format!("{} = {}", quoted(key), inline(value));
            let pairs: Vec<String> =
                fields.iter().filter(|(_, value)| !value.is_null()).map(pair).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => toml::Value::from(text.as_str()).to_string(),
        other => other.to_string(),
    }
}

fn quoted(key: &str) -> String {
    let bare = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if bare { key.to_owned() } else { toml::Value::from(key).to_string() }
}

#[cfg(test)]
mod tests {
    use super::to_toml;
    use crate::{
        Failure,
        driver::Becomes,
        fuzz::{Act, Change},
    };

    const AGAIN: &str = "conformance fuzz --seed 9 --cases 64";

    #[test]
    fn a_counterexample_is_toml() {
        let change = |change| Act::Presence { chat: 3, who: 1, change };
        let acts = [
            Act::Subscribe(3),
            change(Change::Becomes(Becomes::Recording)),
            change(Change::LeftAt(7)),
            change(Change::Unknown),
            Act::Reconnect,
            Act::Message { chat: 0, who: 2 },
            Act::ReceiverFails,
        ];
        let text = to_toml(&acts, AGAIN, &Failure::new("a", "b"));
        let read: toml::Table = text.parse().unwrap();
        assert_eq!(read["timeline"].as_array().unwrap().len(), 8);
        assert_eq!(read["timeline"][2]["stanza"]["attrs"]["last"].as_str(), Some("7"));
        assert_eq!(read["timeline"][7]["expect"]["presence"]["is"].as_str(), Some("offline"));
    }

    #[test]
    fn a_counterexample_with_a_failing_receiver_names_the_command_that_reproduces_it() {
        let typing = Act::Presence { chat: 0, who: 0, change: Change::Becomes(Becomes::Typing) };
        let text = to_toml(&[Act::ReceiverFails, typing.clone()], AGAIN, &Failure::new("a", "b"));
        assert!(text.starts_with("# THIS FILE ALONE DOES NOT REPRODUCE THE FAILURE"), "{text}");
        assert!(text.contains(&format!("\n# {AGAIN}\n")), "{text}");
        let (place, step) =
            (text.find("\n# Here the receiver answers"), text.find("\n[[timeline]]"));
        assert!(place.is_some() && place < step, "{text}");
        let text = to_toml(&[typing], AGAIN, &Failure::new("a", "b"));
        assert!(text.starts_with(&format!("# {AGAIN}\n")), "{text}");
        assert!(!text.contains("receiver"), "{text}");
    }

    #[test]
    fn text_from_a_target_does_not_break_the_file() {
        let text = to_toml(&[Act::GetAll], AGAIN, &Failure::new("a", "\x1b[2J\r\0b\nname = 1"));
        text.parse::<toml::Table>().expect(&text);
        assert!(text.contains("\\u{1b}[2J\\r"), "{text}");
    }
}
