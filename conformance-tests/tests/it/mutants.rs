//! For each check, a broken target that fails it and no unrelated MUST: a check that cannot fail is
//! a defect.

mod look;
mod memory;
mod prerequisites;
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

/// A broken target: changes to the traffic through a proxy.
#[derive(Default)]
pub(crate) struct Mutant {
    /// The checks that must fail.
    breaks: &'static [&'static str],
    /// The MUSTs that fail too, because they depend on the same behaviour.
    also: &'static [&'static str],
    /// Whether every check is run to find what fails too, and not only the MUSTs.
    is_judged_by_all: bool,
    /// Changes a request on its way to our server, or answers it.
    request: Option<fn(&mut Call, &mut Memory) -> Option<Reply>>,
    /// Changes an answer of our server.
    answer: Option<fn(&Call, &mut Reply, &mut Memory)>,
    /// Changes a webhook of our server, and decides its fate.
    webhook: Option<fn(&mut Post, &mut Memory) -> Fate>,
    /// Changes the receiver's answer, or returns a further webhook to send.
    receipt: Option<Receipt>,
    /// Changes the parameters of a WebSocket.
    socket: Option<fn(&str) -> String>,
    /// Changes a frame of a WebSocket; false drops it.
    frame: Option<fn(&mut Value) -> bool>,
    /// The close code of WebSockets.
    close: Option<u16>,
}

/// Changes the receiver's answer, or returns a further webhook to send.
type Receipt = fn(&Post, &mut Reply, &mut Memory) -> Option<Post>;

impl Mutant {
    const fn breaks(breaks: &'static [&'static str]) -> Self {
        Self {
            breaks,
            also: &[],
            is_judged_by_all: false,
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

    const fn judged_by_all(mut self) -> Self {
        self.is_judged_by_all = true;
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

/// A target that ignores recordings.
pub(crate) static FORGETS_RECORDINGS: Mutant = Mutant::breaks(&[]).request(|call, _| {
    let (_, stanza) = look::stanza_of(call)?;
    (look::child(&stanza) == "audio").then(|| Reply::new(200, r#"{"events":[]}"#))
});

/// A target whose GET all and ping fail.
pub(crate) static HAS_NO_LIST: Mutant = Mutant::breaks(&[]).answer(|call, reply, _| {
    if look::is_all(call) || call.path == "/ping" {
        *reply = Reply::new(500, r#"{"message":"out of order"}"#);
    }
});

/// A target whose webhooks are lost.
pub(crate) static LOSES_WEBHOOKS: Mutant = Mutant::breaks(&[]).webhook(|_, _| Fate::Lose);

fn mutants() -> impl Iterator<Item = &'static Mutant> {
    let others =
        [prerequisites::MUTANTS, subscribing::MUTANTS, webhooks::MUTANTS, sessions::MUTANTS];
    presence::MUTANTS.into_iter().chain(others).flatten()
}

/// Quiet periods in milliseconds. On a busy machine an unwanted event may arrive late, so a check
/// that passes is repeated with a longer period before it counts as blind.
const SETTLES: [u64; 3] = [40, 400, 3000];

/// The problems with a mutant, one per line; empty if there are none.
async fn judge(ours: &Ours, place: u64, mutant: &'static Mutant) -> String {
    let mut tries = SETTLES.map(Duration::from_millis).into_iter();
    loop {
        let session = ours.new_session().await;
        let proxy = Proxy::start(&ours.url, mutant).await;
        let settle = tries.next().unwrap_or_default();
        let with = |seed, seconds| With {
            session: &session,
            driver: true,
            seed,
            timeout: Duration::from_secs(seconds),
            settle,
        };
        // The broken checks run first and alone: some mutants break only one event.
        let blind = blind(mutant, environment(&proxy.url, with(2 * place, 2)).await).await;
        if blind.is_empty() || tries.len() == 0 {
            // These pass, so that a long time-out costs nothing and spares a busy machine.
            let others = environment(&proxy.url, with(2 * place + 1, 10)).await;
            return blind + &unrelated(mutant, others).await;
        }
    }
}

/// The checks that should fail with this mutant but pass.
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

/// The checks that fail with this mutant and should not: of the MUSTs, or of all.
async fn unrelated(mutant: &'static Mutant, environment: Arc<Environment>) -> String {
    let others = catalogue().iter().filter(|check| {
        let named = mutant.breaks.contains(&check.id) || mutant.also.contains(&check.id);
        // The servers of these tests wait too short a time for it on a busy machine.
        let hasty = check.id == "presence/get-chat/waits-for-the-first-news";
        !named && !hasty && (check.level == Level::Must || mutant.is_judged_by_all)
    });
    let mut wrong = String::new();
    for entry in &try_all(&environment, others.collect()).await.entries {
        let reason = entry.reason.as_deref().unwrap_or_default();
        let blames = |id: &&&str| reason == format!("not judged, because of {id}");
        let broken = mutant.breaks.iter().chain(mutant.also);
        if entry.outcome != Outcome::Pass && broken.clone().find(blames).is_none() {
            let why = entry.failure.as_ref().map(ToString::to_string);
            let why = why.unwrap_or(reason.to_owned());
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
    assert!(unknown.is_empty(), "unknown checks {unknown:#?}");
}

/// The number of mutants judged at a time, each on its own server.
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
