//! A check that cannot fail is a defect: for each one there is a target that breaks it, and no
//! unrelated MUST.

mod look;
mod memory;
mod presence;
mod proxy;
mod sessions;
mod subscribing;
mod webhooks;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use conformance_tests::{Check, Environment, Level, Outcome, catalogue, find};
use futures_util::future::join_all;
use memory::Memory;
pub(crate) use proxy::Proxy;
use proxy::{Call, Fate, Post, Reply};
use serde_json::Value;

use crate::{
    ours::Ours,
    suite::{With, environment, try_all},
};

/// A broken target: what is done to what goes by.
#[derive(Default)]
pub(crate) struct Mutant {
    /// The checks that must fail.
    breaks: &'static [&'static str],
    /// The MUSTs that fail too, because they show the same behaviour in another place.
    also: &'static [&'static str],
    /// Changes a request on its way to our server, or answers it.
    request: Option<fn(&mut Call, &mut Memory) -> Option<Reply>>,
    /// Changes an answer of our server.
    answer: Option<fn(&Call, &mut Reply, &mut Memory)>,
    /// Changes a webhook of our server, and says what becomes of it.
    webhook: Option<fn(&mut Post, &mut Memory) -> Fate>,
    /// Changes what the receiver answered, or says where the webhook goes as well.
    receipt: Option<Receipt>,
    /// Changes the parameters of a WebSocket.
    socket: Option<fn(&str) -> String>,
    /// Changes a frame of a WebSocket, and says whether it goes on.
    frame: Option<fn(&mut Value) -> bool>,
    /// The code with which a WebSocket is closed.
    close: Option<u16>,
}

/// Changes what the receiver answered, or says where the webhook goes as well.
type Receipt = fn(&Post, &mut Reply, &mut Memory) -> Option<Post>;

impl Mutant {
    const fn breaks(breaks: &'static [&'static str]) -> Self {
        Self {
            breaks,
            also: &[],
            request: None,
            answer: None,
            webhook: None,
            receipt: None,
            socket: None,
            frame: None,
            close: None,
        }
    }

    const fn also(mut self, also: &'static [&'static str]) -> Self {
        self.also = also;
        self
    }

    const fn request(mut self, change: fn(&mut Call, &mut Memory) -> Option<Reply>) -> Self {
        self.request = Some(change);
        self
    }

    const fn answer(mut self, change: fn(&Call, &mut Reply, &mut Memory)) -> Self {
        self.answer = Some(change);
        self
    }

    const fn webhook(mut self, change: fn(&mut Post, &mut Memory) -> Fate) -> Self {
        self.webhook = Some(change);
        self
    }

    const fn receipt(mut self, change: Receipt) -> Self {
        self.receipt = Some(change);
        self
    }

    const fn socket(mut self, change: fn(&str) -> String) -> Self {
        self.socket = Some(change);
        self
    }

    const fn frame(mut self, change: fn(&mut Value) -> bool) -> Self {
        self.frame = Some(change);
        self
    }

    const fn close(mut self, code: u16) -> Self {
        self.close = Some(code);
        self
    }
}

/// A target that takes no notice of who records.
pub(crate) static FORGETS_RECORDINGS: Mutant = Mutant::breaks(&[]).request(|call, _| {
    let (_, stanza) = look::stanza_of(call)?;
    (look::child(&stanza) == "audio").then(|| Reply::new(200, r#"{"events":[]}"#))
});

/// A target that fails when asked for all.
pub(crate) static HAS_NO_LIST: Mutant = Mutant::breaks(&[]).answer(|call, reply, _| {
    if look::is_all(call) {
        *reply = Reply::new(500, r#"{"message":"out of order"}"#);
    }
});

/// A target whose webhooks are lost.
pub(crate) static LOSES_WEBHOOKS: Mutant = Mutant::breaks(&[]).webhook(|_, _| Fate::Lose);

fn mutants() -> impl Iterator<Item = &'static Mutant> {
    [presence::MUTANTS, subscribing::MUTANTS, webhooks::MUTANTS, sessions::MUTANTS]
        .into_iter()
        .flatten()
}

/// The MUSTs that may fail with these: those named, and those that rest on the same statement.
fn related(mutant: &Mutant) -> BTreeSet<&'static str> {
    let broken: Vec<&Check> = mutant.breaks.iter().map(|id| find(id).expect(id)).collect();
    let shares = |check: &&Check| {
        check.rests_on.iter().any(|it| broken.iter().any(|broken| broken.rests_on.contains(it)))
    };
    let sharing = catalogue().iter().filter(shares).map(|check| check.id);
    sharing.chain(mutant.also.iter().copied()).chain(mutant.breaks.iter().copied()).collect()
}

/// How long it is watched that nothing happens, in milliseconds. What should not happen, and does, may
/// take its time on a busy machine: a check that holds is given more of it before it counts as blind.
const SETTLES: [u64; 3] = [40, 400, 3000];

/// What is wrong with a mutant, in lines; nothing when it does as it should.
async fn judge(ours: &Ours, place: u64, mutant: &'static Mutant) -> String {
    let mut tries = SETTLES.map(Duration::from_millis).into_iter();
    loop {
        let session = ours.new_session().await;
        let proxy = Proxy::start(&ours.url, mutant).await;
        let settle = tries.next().unwrap_or_default();
        let with = |seed| With {
            session: &session,
            driver: true,
            seed,
            timeout: Duration::from_secs(2),
            settle,
        };
        // Alone first: what it breaks may happen once only.
        let blind = blind(mutant, environment(&proxy.url, with(2 * place)).await).await;
        if blind.is_empty() || tries.len() == 0 {
            let others = environment(&proxy.url, with(2 * place + 1)).await;
            return blind + &unrelated(mutant, others).await;
        }
    }
}

/// The checks that should fail with a mutant, and do not.
async fn blind(mutant: &'static Mutant, environment: Arc<Environment>) -> String {
    let broken: Vec<&'static Check> = mutant.breaks.iter().map(|id| find(id).expect(id)).collect();
    let mut wrong = String::new();
    for entry in &try_all(&environment, broken).await.entries {
        if !matches!(entry.outcome, Outcome::Fail | Outcome::Warn) {
            let reason = entry.reason.as_deref().unwrap_or_default();
            wrong += &format!("{} does not fail: {} {reason}\n", entry.check.id, entry.outcome);
        }
    }
    wrong
}

/// The MUSTs that fail with a mutant that has nothing to do with them.
async fn unrelated(mutant: &'static Mutant, environment: Arc<Environment>) -> String {
    let related = related(mutant);
    let others = catalogue()
        .iter()
        .filter(|check| check.level == Level::Must && !related.contains(check.id));
    let mut wrong = String::new();
    for entry in &try_all(&environment, others.collect()).await.entries {
        if entry.outcome != Outcome::Pass {
            let why = entry.failure.as_ref().map(ToString::to_string);
            let why = why.or(entry.reason.clone()).unwrap_or_default();
            wrong += &format!("{:?} also breaks {}: {why}\n", mutant.breaks, entry.check.id);
        }
    }
    wrong
}

#[test]
fn every_check_has_a_mutant_that_breaks_it() {
    let broken: BTreeSet<&str> =
        mutants().flat_map(|mutant| mutant.breaks.iter().copied()).collect();
    let all: BTreeSet<&str> = catalogue().iter().map(|check| check.id).collect();
    let missing: Vec<&&str> = all.difference(&broken).collect();
    assert!(missing.is_empty(), "no mutant breaks {missing:#?}");
    let unknown: Vec<&&str> = broken.difference(&all).collect();
    assert!(unknown.is_empty(), "there is no check {unknown:#?}");
}

/// How many mutants are judged at a time, each on a server of its own.
const AT_A_TIME: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_mutant_breaks_its_check_and_no_unrelated_must() {
    let only = std::env::var("MUTANT").unwrap_or_default();
    let chosen: Vec<(u64, &'static Mutant)> = (0..)
        .zip(mutants())
        .filter(|(_, mutant)| mutant.breaks.iter().any(|id| id.contains(&only)))
        .collect();
    let waiting = Mutex::new(chosen);
    let one = || async {
        let ours = Ours::start().await;
        let mut wrong = String::new();
        loop {
            let next = waiting.lock().unwrap().pop();
            let Some((place, mutant)) = next else { return wrong };
            wrong += &judge(&ours, place, mutant).await;
        }
    };
    let wrong = join_all((0..AT_A_TIME).map(|_| one())).await.concat();
    assert!(wrong.is_empty(), "\n{wrong}");
}
