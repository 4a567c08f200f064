//! Targets whose presence endpoints are wrong.

mod fields;
mod get_all;
mod get_chat;

use serde_json::Value;

use super::{Mutant, look::is_group, proxy::Reply};

pub(super) const MUTANTS: [&[Mutant]; 3] = [get_all::MUTANTS, get_chat::MUTANTS, fields::MUTANTS];

fn ok() -> Option<Reply> {
    Some(Reply::new(200, r#"{"events":[]}"#))
}

/// A group without its own record.
fn without_itself(chat: &mut Value) {
    let id = chat["id"].clone();
    if is_group(&id) {
        chat["presences"].as_array_mut().unwrap().retain(|it| it["participant"] != id);
    }
}
