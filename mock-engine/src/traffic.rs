//! A generated population that behaves believably: it comes online in spells, types in bursts, and
//! sleeps at night. All of it follows from the seed.
//!
//! One file of over 400 lines: the table of the format, its bounds and what is generated from them belong together.

use std::{cmp::Reverse, collections::BinaryHeap, ops::Range};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    delay::Delay,
    world::{Contact, Does, Group, Visibility, World},
};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// The number of `person-1`, and the id of `group-1`; the others follow.
const FIRST_PHONE: u64 = 5_511_900_000_001;
const FIRST_GROUP: u64 = 120_363_000_000_000_001;

/// The most contacts of a population.
pub const MAX_CONTACTS: u32 = 200_000;

/// The most groups of a population.
pub const MAX_GROUPS: u32 = 50_000;

/// The most memberships of a population: groups times their size.
pub const MAX_MEMBERSHIPS: u64 = 500_000;

/// The size and the behaviour of a generated population. Contacts are called `person-1`, groups `group-1`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// The number of contacts.
    #[schemars(range(min = 1, max = MAX_CONTACTS))]
    pub contacts: u32,
    /// The number of groups. All groups together have up to 500,000 participants.
    #[serde(default)]
    #[schemars(range(max = MAX_GROUPS))]
    pub groups: u32,
    /// The number of participants of each group; up to the number of contacts.
    #[serde(default = "group_size")]
    pub group_size: u32,
    /// How often a contact comes online per waking hour, on average; up to 1,000.
    #[serde(default = "spells_per_hour")]
    #[schemars(range(min = 0.0, max = 1_000.0))]
    pub spells_per_hour: f64,
    /// How long they stay online, on average.
    #[serde(default = "spell")]
    pub spell: Delay,
    /// How often they type while online, on average; up to 1,000.
    #[serde(default = "bursts")]
    #[schemars(range(min = 0.0, max = 1_000.0))]
    pub bursts: f64,
    /// The share of that which is recording, from 0 to 1.
    #[serde(default = "recording")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub recording: f64,
    /// The share of that which is in a group, from 0 to 1.
    #[serde(default = "in_groups")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub in_groups: f64,
    /// The hours between which they sleep, in UTC; shifted by an hour or two per contact.
    #[serde(default = "sleep")]
    pub sleep: [u8; 2],
    /// The share of contacts who hide their last seen, from 0 to 1.
    #[serde(default = "hidden")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub hidden: f64,
}

fn group_size() -> u32 {
    20
}
fn spells_per_hour() -> f64 {
    2.0
}
fn spell() -> Delay {
    Delay::from_millis(180_000)
}
fn bursts() -> f64 {
    1.5
}
fn recording() -> f64 {
    0.1
}
fn in_groups() -> f64 {
    0.4
}
fn sleep() -> [u8; 2] {
    [23, 7]
}
fn hidden() -> f64 {
    0.15
}

impl Population {
    /// A population of this size, with default behaviour.
    pub fn new(contacts: u32, groups: u32) -> Self {
        Self {
            contacts,
            groups,
            group_size: group_size(),
            spells_per_hour: spells_per_hour(),
            spell: spell(),
            bursts: bursts(),
            recording: recording(),
            in_groups: in_groups(),
            sleep: sleep(),
            hidden: hidden(),
        }
    }

    /// What is wrong with it: which number, and what would be right.
    pub fn fault(&self) -> Option<String> {
        let shares =
            [("recording", self.recording), ("in_groups", self.in_groups), ("hidden", self.hidden)];
        let share = shares.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share));
        let rates = [("spells_per_hour", self.spells_per_hour), ("bursts", self.bursts)];
        let rate = rates.into_iter().find(|(_, rate)| !(0.0..=1_000.0).contains(rate));
        if !(1..=MAX_CONTACTS).contains(&self.contacts) {
            return Some(format!(
                "contacts: expected 1 to {MAX_CONTACTS}, found {}",
                self.contacts
            ));
        }
        if self.groups > MAX_GROUPS {
            return Some(format!("groups: expected at most {MAX_GROUPS}, found {}", self.groups));
        }
        if self.groups > 0 && !(1..=self.contacts).contains(&self.group_size) {
            let (most, found) = (self.contacts, self.group_size);
            return Some(format!("group_size: expected 1 to {most}, the contacts; found {found}"));
        }
        let memberships = u64::from(self.groups) * u64::from(self.group_size);
        if memberships > MAX_MEMBERSHIPS {
            return Some(format!(
                "groups times group_size: expected at most {MAX_MEMBERSHIPS} memberships, found \
                 {memberships}"
            ));
        }
        if let Some((name, share)) = share {
            return Some(format!("{name}: expected a share from 0 to 1, found {share}"));
        }
        if let Some((name, rate)) = rate {
            return Some(format!("{name}: expected a number from 0 to 1000, found {rate}"));
        }
        if self.spell == Delay::default() {
            return Some("spell: expected something longer than 0s".to_owned());
        }
        let hour = self.sleep.into_iter().find(|hour| *hour > 23);
        hour.map(|hour| format!("sleep: expected hours from 0 to 23, found {hour}"))
    }

    /// Whether one of the population is called so.
    pub fn has_contact(&self, name: &str) -> bool {
        self.contact_named(name).is_some()
    }

    /// Whether one of its groups is called so.
    pub fn has_group(&self, name: &str) -> bool {
        self.group_named(name).is_some()
    }

    /// Whether one of the population is in one of its groups.
    pub fn is_in(&self, contact: &str, group: &str) -> bool {
        let found = self.contact_named(contact).zip(self.group_named(group));
        found.is_some_and(|(contact, group)| self.participants(group).any(|it| it == contact))
    }

    /// Who or which group has that number.
    pub fn owner_of(&self, number: &str) -> Option<String> {
        let number: u64 = number.parse().ok()?;
        let within = |first: u64, count: u32| {
            let index = u32::try_from(number.checked_sub(first)?).ok()?;
            (index < count).then_some(index)
        };
        let contact = within(FIRST_PHONE, self.contacts).map(person);
        contact.or_else(|| within(FIRST_GROUP, self.groups).map(group))
    }

    fn contact_named(&self, name: &str) -> Option<u32> {
        numbered(name, "person-").filter(|index| *index < self.contacts && person(*index) == name)
    }

    fn group_named(&self, name: &str) -> Option<u32> {
        numbered(name, "group-").filter(|index| *index < self.groups && group(*index) == name)
    }

    /// The number of contacts and groups.
    pub fn size(&self) -> usize {
        self.contacts as usize + self.groups as usize
    }

    /// The names of all contacts and groups.
    pub fn names(&self) -> impl Iterator<Item = String> {
        (0..self.contacts).map(person).chain((0..self.groups).map(group))
    }

    /// Puts the population into a world, at `now` in Unix seconds.
    pub fn settle(&self, world: &mut World, seed: u64, now: u64) {
        let mut chance = chance(seed, 1);
        for index in 0..self.contacts {
            let hides = chance.random_bool(self.hidden.clamp(0.0, 1.0));
            let contact = Contact {
                phone: Some((FIRST_PHONE + u64::from(index)).to_string()),
                last_seen_visible: if hides { Visibility::Nobody } else { Visibility::Everyone },
                ..Contact::default()
            };
            world.add_contact(person(index), contact, now);
        }
        for index in 0..self.groups {
            let id = (FIRST_GROUP + u64::from(index)).to_string();
            let participants = self.participants(index).map(person).collect();
            world.add_group(group(index), Group { id, participants, ..Group::default() });
        }
    }

    /// The members of a group: a window over the population, so that membership follows from the number.
    fn participants(&self, index: u32) -> impl Iterator<Item = u32> {
        let size = self.group_size.min(self.contacts);
        let start = u64::from(index) * u64::from(self.stride());
        let contacts = u64::from(self.contacts.max(1));
        (0..size).map(move |offset| {
            u32::try_from((start + u64::from(offset)) % contacts).unwrap_or_default()
        })
    }

    /// How many contacts further each next group begins.
    fn stride(&self) -> u32 {
        (self.contacts / self.groups.max(1)).max(1)
    }

    /// One of the groups that a contact is in, if there is one.
    fn group_of(&self, contact: u32, chance: &mut ChaCha8Rng) -> Option<u32> {
        if self.groups == 0 {
            return None;
        }
        let nearest = contact / self.stride();
        let back = chance.random_range(0..=self.group_size / self.stride());
        let index = (nearest + self.groups - back % self.groups) % self.groups;
        self.participants(index).any(|it| it == contact).then_some(index)
    }
}

fn person(index: u32) -> String {
    format!("person-{}", index + 1)
}

/// The index of the contact with this number, counted from 1.
fn numbered(name: &str, prefix: &str) -> Option<u32> {
    name.strip_prefix(prefix)?.parse::<u32>().ok()?.checked_sub(1)
}

fn group(index: u32) -> String {
    format!("group-{}", index + 1)
}

fn chance(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    chance.set_stream(stream);
    chance
}

/// What a population does, in order of time and without end: milliseconds after the start, and what.
#[derive(Debug)]
pub struct Traffic {
    population: Population,
    start_ms: u64,
    chance: ChaCha8Rng,
    waiting: BinaryHeap<Reverse<Waiting>>,
    made: u64,
}

/// When, in which order among those at the same time, who, and what.
type Waiting = (u64, u64, u32, Next);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// They come online, and what they will do until they go is made up.
    Spell,
    Offline,
    Typing(Option<u32>),
    Recording(Option<u32>),
    Paused(Option<u32>),
    Message(Option<u32>),
}

impl Traffic {
    /// The traffic of a population whose clock starts at `start_ms`, in Unix milliseconds.
    pub fn new(population: &Population, seed: u64, start_ms: u64) -> Self {
        let mut traffic = Self {
            population: population.clone(),
            start_ms,
            chance: chance(seed, 2),
            waiting: BinaryHeap::new(),
            made: 0,
        };
        for contact in 0..population.contacts {
            let at = traffic.next_spell(contact, 0);
            traffic.push(at, contact, Next::Spell);
        }
        traffic
    }

    fn push(&mut self, at: u64, contact: u32, next: Next) {
        self.made += 1;
        self.waiting.push(Reverse((at, self.made, contact, next)));
    }

    /// A time span of this mean, as waits are distributed, in milliseconds.
    fn wait(&mut self, mean_ms: f64) -> u64 {
        let unit: f64 = self.chance.random();
        let wait = -(1.0 - unit).ln() * mean_ms;
        // Bounded below a week, so that the sum stays a time.
        wait.clamp(1.0, 604_800_000.0) as u64
    }

    fn between(&mut self, range: Range<u64>) -> u64 {
        self.chance.random_range(range)
    }

    fn next_spell(&mut self, contact: u32, after: u64) -> u64 {
        let mean = HOUR_MS as f64 / self.population.spells_per_hour.max(0.001);
        let at = after + self.wait(mean);
        let asleep = self.asleep_for(contact, at);
        if asleep == 0 { at } else { at + asleep + self.wait(HOUR_MS as f64 / 2.0) }
    }

    /// How long a contact will still sleep at that time, in milliseconds; 0 when awake.
    fn asleep_for(&self, contact: u32, at: u64) -> u64 {
        let [from, to] = self.population.sleep.map(|hour| u64::from(hour % 24) * HOUR_MS);
        let offset = u64::from(contact.wrapping_mul(2_654_435_761) % 7_200_000);
        let time = (self.start_ms + at + offset) % DAY_MS;
        let night = (to + DAY_MS - from) % DAY_MS;
        let since = (time + DAY_MS - from) % DAY_MS;
        night.saturating_sub(since)
    }

    /// Makes up all that a contact does from now until they go offline.
    fn spell(&mut self, contact: u32, start: u64) {
        let length = self.wait(self.population.spell.as_millis() as f64).max(3_000);
        let end = start + length;
        let mut at = start + self.between(500..2_500);
        let mean_pause = length as f64 / (self.population.bursts + 1.0).max(1.0);
        while at + 3_000 < end && self.population.bursts > 0.0 {
            at = self.burst(contact, at, end);
            at += self.wait(mean_pause);
        }
        self.push(end, contact, Next::Offline);
        let next = self.next_spell(contact, end);
        self.push(next, contact, Next::Spell);
    }

    fn burst(&mut self, contact: u32, start: u64, end: u64) -> u64 {
        let grouped = self.chance.random_bool(self.population.in_groups.clamp(0.0, 1.0));
        let chat = if grouped { self.population.group_of(contact, &mut self.chance) } else { None };
        let records = self.chance.random_bool(self.population.recording.clamp(0.0, 1.0));
        self.push(start, contact, if records { Next::Recording(chat) } else { Next::Typing(chat) });
        let done = (start + self.between(1_500..12_000)).min(end - 1);
        // One in five thinks better of it.
        let sends = self.chance.random_bool(0.8);
        self.push(done, contact, if sends { Next::Message(chat) } else { Next::Paused(chat) });
        done
    }
}

/// Something that one of the population does.
#[derive(Clone, Debug)]
pub struct Deed {
    /// The contact's name.
    pub who: String,
    /// What they do.
    pub does: Does,
    /// The group in which they do it, by name; `None` is the chat with the session.
    pub chat: Option<String>,
    /// The text of a message.
    pub text: Option<String>,
}

impl Iterator for Traffic {
    type Item = (u64, Deed);

    fn next(&mut self) -> Option<(u64, Deed)> {
        let Reverse((at, _, contact, next)) = self.waiting.pop()?;
        let (does, chat) = match next {
            Next::Spell => {
                self.spell(contact, at);
                (Does::Online, None)
            }
            Next::Offline => (Does::Offline, None),
            Next::Typing(chat) => (Does::Typing, chat),
            Next::Recording(chat) => (Does::Recording, chat),
            Next::Paused(chat) => (Does::Paused, chat),
            Next::Message(chat) => (Does::Message, chat),
        };
        let text = (does == Does::Message).then(|| format!("message at {at} ms"));
        Some((at, Deed { who: person(contact), does, chat: chat.map(group), text }))
    }
}

#[cfg(test)]
mod tests;
