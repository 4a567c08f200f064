//! Plays a sequence on the target and compares the result with the model.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Act, Change, Model,
    act::{CONTACTS, GROUPS},
    model::participant,
};
use crate::{
    Context, Environment, Failure,
    context::entry,
    driver::{Action, LastSeen},
    receiver::{Delivery, Hook, Reply},
    verdict::{Verdict, same},
};

/// Plays one sequence with contacts of its own.
pub(super) async fn play(
    environment: &Arc<Environment>,
    number: u32,
    acts: &[Act],
    strict: bool,
) -> Verdict {
    let cx = Context::named(Arc::clone(environment), &format!("fuzz {number}"));
    Play::new(cx, strict).await?.run(acts).await
}

struct Play {
    cx: Context,
    /// The webhooks' receiver, unless the target has no webhooks.
    hook: Option<Hook>,
    /// Ids by number: the contacts, then the groups.
    ids: Vec<String>,
    model: Model,
    strict: bool,
}

impl Play {
    async fn new(cx: Context, strict: bool) -> Verdict<Self> {
        let people = (0..CONTACTS).map(|_| cx.stranger());
        let groups = (0..GROUPS).map(|_| cx.group());
        let ids = people.chain(groups).collect();
        let has_webhooks =
            cx.environment.no_sessions.is_none() || cx.environment.settings.webhook_configured;
        let (cx, hook) = if has_webhooks {
            let (cx, hook) = cx.hooked().await?;
            // An unused failure reply belongs to the previous sequence.
            hook.replies([]);
            (cx, Some(hook))
        } else {
            (cx, None)
        };
        Ok(Self { cx, hook, ids, model: Model::default(), strict })
    }

    async fn run(&mut self, acts: &[Act]) -> Verdict {
        for act in acts {
            self.act(act).await?;
            self.model.apply(act);
        }
        self.compare_chats().await?;
        self.compare_all().await?;
        self.compare_webhooks().await
    }

    async fn act(&mut self, act: &Act) -> Verdict {
        match *act {
            Act::Presence { chat, who, change } => {
                let (chat, who) = (&self.ids[chat], &self.ids[participant(chat, who)]);
                self.change(chat, who, change).await
            }
            Act::Message { chat, who } => {
                let participant = self.ids[participant(chat, who)].clone();
                let (chat, text) = (self.ids[chat].clone(), "hello".to_owned());
                self.cx.act(Action::Message { chat, participant, text }).await?;
                Ok(())
            }
            Act::Subscribe(chat) => self.cx.subscribe(&self.ids[chat]).await.map(|_| ()),
            Act::GetChat(chat) => {
                self.cx.get_chat(&self.ids[chat]).await?.is(200)?;
                Ok(())
            }
            Act::GetAll => self.cx.get_all().await?.is(200).map(|_| ()),
            Act::Reconnect => {
                self.cx.act(Action::Connection { state: "close" }).await?;
                self.cx.act(Action::Connection { state: "open" }).await?;
                Ok(())
            }
            Act::ReceiverFails => {
                if let Some(hook) = &self.hook {
                    hook.replies([Reply::status(500)]);
                }
                Ok(())
            }
        }
    }

    async fn change(&self, chat: &str, who: &str, change: Change) -> Verdict {
        match change {
            Change::Becomes(is) => self.cx.does_in(chat, who, is).await,
            Change::LeftAt(seconds) => self.cx.leaves(chat, who, Some(LastSeen::At(seconds))).await,
            Change::LeftHidden => self.cx.leaves(chat, who, Some(LastSeen::Text("deny"))).await,
            Change::Paused => self.cx.engine_says(chat, who, "paused").await,
            Change::Unknown => self.cx.engine_says(chat, who, "daydreaming").await,
        }
    }

    fn expected(&self, chat: usize) -> Value {
        let records = self.model.chats.get(&chat).into_iter().flatten();
        let records: Vec<Value> =
            records.map(|(who, record)| record.json(&self.ids[*who])).collect();
        json!({ "id": self.ids[chat], "presences": records })
    }

    async fn compare_chats(&self) -> Verdict {
        for chat in self.model.chats.keys() {
            let expected = self.expected(*chat);
            let judge = |actual: &Value| self.alike(&expected, actual);
            self.cx.chat_shows(&self.ids[*chat], judge).await?;
        }
        Ok(())
    }

    async fn compare_all(&self) -> Verdict {
        let judge = |all: &Value| {
            for (chat, known) in &self.model.chats {
                let silent = known.is_empty() && !self.strict;
                match entry(all, &self.ids[*chat]) {
                    Err(_) if silent => {}
                    found => self.alike(&self.expected(*chat), found?)?,
                }
            }
            let list = all.as_array().map_or(&[][..], Vec::as_slice);
            let mine: Vec<&str> = list
                .iter()
                .filter_map(|entry| entry["id"].as_str())
                .filter(|id| self.ids.iter().any(|own| own == id))
                .collect();
            let wanted: Vec<&String> =
                self.model.chats.keys().map(|chat| &self.ids[*chat]).collect();
            if self.strict { same(&json!(wanted), &json!(mine)) } else { Ok(()) }
        };
        let path = self.cx.presence_path("/");
        self.cx.get_until(&path, judge).await?;
        Ok(())
    }

    /// Compares two chats; unless strict, ignores the order and whether an empty last seen is null
    /// or absent.
    fn alike(&self, expected: &Value, actual: &Value) -> Result<(), Failure> {
        if self.strict {
            return same(expected, actual);
        }
        same(&loosened(expected), &loosened(actual))
    }

    async fn compare_webhooks(&self) -> Verdict {
        let Some(hook) = &self.hook else { return Ok(()) };
        for chat in self.model.chats.keys() {
            let id = &self.ids[*chat];
            let wanted: Vec<Value> = self
                .model
                .events
                .iter()
                .filter(|(of, ..)| of == chat)
                .map(|(_, who, record)| record.json(&self.ids[*who]))
                .collect();
            let Some(latest) = wanted.last() else { continue };
            let of_chat = |delivery: &Delivery| {
                delivery.answered == 200 && delivery.json()["payload"]["id"] == **id
            };
            let limit = self.cx.timeout() + std::time::Duration::from_secs(4);
            if self.strict {
                let came = hook.wait(wanted.len(), limit, of_chat).await;
                same(&json!(wanted), &json!(records(&came)))?;
                continue;
            }
            let has_latest = |delivery: &Delivery| {
                of_chat(delivery)
                    && records(std::slice::from_ref(delivery))
                        .iter()
                        .any(|record| self.alike(latest, record).is_ok())
            };
            if hook.wait(1, limit, has_latest).await.is_empty() {
                let came = json!(records(&hook.deliveries(of_chat)));
                return Err(
                    Failure::new(format!("a webhook with {latest}"), came.to_string()).into()
                );
            }
        }
        Ok(())
    }
}

/// The records in these webhooks.
fn records(deliveries: &[Delivery]) -> Vec<Value> {
    let of = |delivery: &Delivery| {
        delivery.json()["payload"]["presences"].as_array().cloned().unwrap_or_default()
    };
    deliveries.iter().flat_map(of).collect()
}

fn loosened(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(list) = value.get_mut("presences").and_then(Value::as_array_mut) {
        list.sort_by_key(|record| record["participant"].to_string());
        list.iter_mut().for_each(fill);
    }
    fill(&mut value);
    value
}

fn fill(record: &mut Value) {
    if let Some(fields) = record.as_object_mut().filter(|it| it.contains_key("participant")) {
        fields.entry("lastSeen").or_insert(Value::Null);
    }
}
