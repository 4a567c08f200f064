//! The account behind a session, made from the seed where the scenario does not say.

use host_sdk::Me;
use rand::RngExt;

use crate::{chance::chance_of, noweb::Sender, scenario::Session};

/// An account, and what it sends with.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) me: Me,
    pub(super) sender: Sender,
}

impl Account {
    pub(super) fn new(session: &Session, seed: u64) -> Self {
        let mut chance = chance_of(seed ^ 0x006d_6f63_6b21, &session.name);
        let made = format!("55119{:08}", chance.random_range(0..100_000_000_u32));
        let phone = session.phone.clone().unwrap_or(made);
        let lid = format!("{:015}", chance.random_range(0..1_000_000_000_000_000_u64));
        let device = chance.random_range(1..90_u8);
        let (high, low): (u16, u16) = (chance.random(), chance.random());
        let push_name = session.push_name.clone().unwrap_or_else(|| "Mock".to_owned());
        let jid = format!("{phone}:{device}@s.whatsapp.net");
        Self {
            me: Me {
                id: format!("{phone}@c.us"),
                push_name: push_name.clone(),
                lid: Some(format!("{lid}@lid")),
                jid: Some(jid.clone()),
            },
            sender: Sender {
                me: jid,
                lid: format!("{lid}:{device}@lid"),
                name: push_name,
                tag_prefix: format!("{high}.{low}-"),
                tags: 0,
            },
        }
    }
}
