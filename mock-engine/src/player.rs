//! Plays a scenario: waits for each step's time on the clock, then performs it.

mod app;
mod expect;
mod hurry;

use std::{
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::http::Method;
use host_sdk::{Clock, SessionError};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    sync::{Notify, oneshot},
    task::{JoinHandle, JoinSet},
    time::{Instant, timeout},
};

pub(crate) use self::app::{App, outward};
use self::hurry::{Hurry, hurry_on};
pub use self::{app::Answer, expect::Unmet};
use crate::{
    delay::Delay,
    engine::{MockEngine, MockError},
    scenario::{Action, Due, Scenario, Session},
    time::{Pace, Speed},
    world::Act,
};

/// How many broken expectations are kept.
const UNMET_LIMIT: usize = 1_000;

/// How long a running scenario waits for a subscription, in real time: one that hangs must not delay
/// the steps.
const SUBSCRIBE_PATIENCE: Duration = Duration::from_millis(100);

/// How long steps run back to back before other tasks get the machine, and for how long, when the clock
/// is faster than the machine.
const STRETCH: Duration = Duration::from_millis(10);
const BREATH: Duration = Duration::from_millis(1);

/// How far a running clock may be ahead of the next step, in milliseconds. It waits there while the
/// machine cannot follow.
const AHEAD_MS: u64 = 1_000;

/// An engine and the application in front of it. Cheap to clone; clones share one stage.
///
/// The player task writes `play` and notifies `came_on`; the control API reads and resets. `resetting` is
/// taken before any other lock, and no lock is held across an await but that one.
#[derive(Clone, Debug)]
pub(crate) struct Stage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    mock: MockEngine,
    app: OnceLock<App>,
    /// The clock's speed at the start, and the seed of the start.
    speed: Speed,
    seed: u64,
    /// Moves the clock on, at [`Speed::Max`].
    hurry: Mutex<Option<Hurry>>,
    play: Mutex<Play>,
    /// The task that plays the scenario.
    player: Mutex<Option<JoinHandle<()>>>,
    /// Notified whenever the scenario reaches its next step, or ends.
    came_on: Notify,
    /// One reset at a time.
    resetting: tokio::sync::Mutex<()>,
}

/// The scenario's progress.
#[derive(Debug, Default)]
struct Play {
    /// When it began, in Unix milliseconds of the clock.
    start_ms: u64,
    /// When the current step is due, likewise; `None` when it is over or was stopped.
    due_ms: Option<u64>,
    steps: u64,
    over: bool,
    unmet: Vec<Unmet>,
}

/// Keeps the clock from running ahead of the scenario until dropped.
struct Leash<'a>(&'a Inner);

impl Leash<'_> {
    /// The scenario has reached a step that is due at this time.
    fn come_to(&self, due_ms: u64) {
        self.0.mock.clock().hold_at(Some(due_ms.saturating_add(AHEAD_MS)));
        self.0.come_to(Some(due_ms));
    }
}

impl Drop for Leash<'_> {
    fn drop(&mut self) {
        self.0.mock.clock().hold_at(None);
        self.0.come_to(None);
    }
}

impl Inner {
    fn come_to(&self, due_ms: Option<u64>) {
        self.play.lock().due_ms = due_ms;
        self.came_on.notify_waiters();
    }
}

impl Stage {
    pub(crate) fn new(mock: MockEngine, speed: Speed) -> Self {
        Self(Arc::new(Inner {
            seed: mock.seed(),
            mock,
            app: OnceLock::new(),
            speed,
            hurry: Mutex::default(),
            play: Mutex::default(),
            player: Mutex::default(),
            came_on: Notify::new(),
            resetting: tokio::sync::Mutex::default(),
        }))
    }

    /// Puts an application in front of the engine: it subscribes, and is asked what it shows.
    pub(crate) fn set_app(&self, app: App) {
        // The first one stays, and there is one only.
        let _ = self.0.app.set(app);
    }

    pub(crate) fn mock(&self) -> &MockEngine {
        &self.0.mock
    }

    pub(crate) fn app(&self) -> Option<&App> {
        self.0.app.get()
    }

    /// How fast time goes.
    pub(crate) fn speed(&self) -> Speed {
        match self.mock().clock().pace() {
            Pace::Stepped if self.0.hurry.lock().is_some() => Speed::Max,
            Pace::Stepped => Speed::Stepped,
            Pace::Running { speed } => Speed::Times(speed),
        }
    }

    /// Lets time go so fast from now on.
    pub(crate) fn set_speed(&self, speed: Speed) {
        let clock = self.mock().clock().clone();
        let mut hurry = self.0.hurry.lock();
        *hurry = None;
        clock.set_pace(speed.pace());
        if speed == Speed::Max {
            *hurry = Some(Hurry(tokio::spawn(hurry_on(clock)).abort_handle()));
        }
    }

    /// Begins: the sessions are there, the scenario is played up to what happens at once, and time
    /// goes on.
    pub(crate) async fn begin(&self) {
        self.mock().settled().await;
        self.play().await;
        self.mock().settled().await;
        self.set_speed(self.0.speed);
    }

    /// Makes everything as it was at the start, and plays the scenario that is given or the one that was
    /// there. Without sessions of its own it gets those of the start.
    ///
    /// # Errors
    ///
    /// Fails when the gateway does not take a session; the others are there then.
    pub(crate) async fn reset(&self, scenario: Option<Scenario>) -> Result<(), SessionError> {
        let _alone = self.0.resetting.lock().await;
        let mock = self.mock();
        self.stop_playing().await;
        // What is in a hurry goes on only once all is there.
        *self.0.hurry.lock() = None;
        mock.clock().set_pace(self.0.speed.pace());
        let same = || Scenario { seed: Some(mock.seed()), ..(*mock.scenario()).clone() };
        let mut scenario = scenario.unwrap_or_else(same);
        scenario.seed.get_or_insert(self.0.seed);
        if let Some(app) = self.app() {
            if !scenario.names_sessions {
                scenario.sessions = app.sessions().to_vec();
            }
            app.delete_sessions().await;
        }
        let sessions = scenario.sessions.clone();
        mock.reset(Some(scenario)).await;
        let created = match self.app() {
            Some(app) => app.create_sessions(&sessions).await,
            None => Ok(()),
        };
        self.begin().await;
        created
    }

    /// Waits until all that was due by now has happened and been applied: a clock that is faster than the
    /// machine is ahead of the play.
    pub(crate) async fn settled(&self) {
        let now_ms = self.mock().now_ms();
        loop {
            let mut came_on = pin!(self.0.came_on.notified());
            came_on.as_mut().enable();
            if self.0.play.lock().due_ms.is_none_or(|due_ms| due_ms > now_ms) {
                break;
            }
            came_on.await;
        }
        self.mock().settled().await;
    }

    /// The expectations that did not hold.
    pub(crate) fn unmet(&self) -> Vec<Unmet> {
        self.0.play.lock().unmet.clone()
    }

    /// The scenario's progress: the time since its start, the steps performed, and whether it is over.
    pub(crate) fn progress(&self) -> Value {
        let play = self.0.play.lock();
        let at = Delay::from_millis(self.mock().now_ms().saturating_sub(play.start_ms));
        json!({ "at": at, "steps": play.steps, "over": play.over })
    }

    /// Stops the scenario between two of its steps; the world stays as it is.
    pub(crate) async fn stop_playing(&self) {
        let player = self.0.player.lock().take();
        if let Some(player) = player {
            player.abort();
            let _ = player.await;
        }
    }

    /// Plays the engine's scenario from now on; returns once its immediate steps are done.
    async fn play(&self) {
        let (begun, ready) = oneshot::channel();
        let stage = self.clone();
        let player = self.mock().spawn(async move { stage.run(begun).await });
        if let Some(before) = self.0.player.lock().replace(player) {
            before.abort();
        }
        // The player has been aborted when the stage is reset meanwhile.
        let _ = ready.await;
    }

    async fn run(&self, begun: oneshot::Sender<()>) {
        let mock = self.mock();
        let scenario = mock.scenario();
        *self.0.play.lock() = Play { start_ms: mock.now_ms(), ..Play::default() };
        // Dropped, and so aborted, when the scenario is stopped.
        let mut subscriptions = JoinSet::new();
        for session in scenario.sessions.iter().filter(|session| session.engine == "NOWEB") {
            self.subscribe(&mut subscriptions, &session.name, scenario.all_subscriptions());
            match mock.clock().pace() {
                Pace::Stepped => self.rest().await,
                Pace::Running { .. } => drop(subscriptions.join_next().await),
            }
        }
        let start_ms = mock.now_ms();
        self.0.play.lock().start_ms = start_ms;
        let leash = Leash(&self.0);
        let mut begun = Some(begun);
        let mut stretch = Instant::now();
        let ends = scenario.duration.map(Delay::as_millis);
        let ends = ends.filter(|_| !repeats_for_ever(&scenario)).unwrap_or(u64::MAX);
        let timeline = scenario.timeline(mock.seed(), start_ms);
        for due in timeline.take_while(|due| due.at.as_millis() <= ends) {
            if due.at > Delay::default()
                && let Some(begun) = begun.take()
            {
                let _ = begun.send(());
            }
            let time_ms = start_ms.saturating_add(due.at.as_millis());
            leash.come_to(time_ms);
            self.wait(time_ms, &mut stretch).await;
            for due in each_session(&scenario, due) {
                if let Err(error) = self.step(&scenario, &due, &mut subscriptions).await {
                    self.not_met(&due, error.to_string());
                }
                self.rest().await;
            }
            self.0.play.lock().steps += 1;
        }
        self.0.play.lock().over = true;
        drop((begun, leash));
        while subscriptions.join_next().await.is_some() {}
    }

    /// Waits for a time. Other tasks get their turn even where the clock is faster than the machine.
    async fn wait(&self, time_ms: u64, stretch: &mut Instant) {
        let clock = self.mock().clock();
        let left = time_ms.saturating_sub(self.mock().now_ms());
        if left > 0 {
            clock.sleep(Duration::from_millis(left)).await;
        } else if stretch.elapsed() > STRETCH && clock.pace() != Pace::Stepped {
            tokio::time::sleep(BREATH).await;
            *stretch = Instant::now();
        }
    }

    /// Lets the consequences of a step run until they wait for time to pass, so that steps of the same time
    /// do not interleave. On a running clock some task may always be runnable: there it waits until the
    /// plugins have seen the step, and a little longer.
    async fn rest(&self) {
        match self.mock().clock().pace() {
            Pace::Stepped => self.mock().clock().activity().alone().await,
            Pace::Running { .. } => {
                self.mock().applied().await;
                let _ = timeout(BREATH, self.mock().clock().activity().alone()).await;
            }
        }
    }

    async fn step(
        &self,
        scenario: &Scenario,
        due: &Due<'_>,
        subscriptions: &mut JoinSet<()>,
    ) -> Result<(), MockError> {
        let mock = self.mock();
        let session = due.session.unwrap_or_else(|| scenario.first_session());
        match &*due.action {
            Action::Act { who, does, chat, text } => {
                let (chat, text) = (chat.as_deref(), text.as_deref());
                mock.act(Act { who, does: *does, chat, text, session: due.session }).await?;
            }
            Action::Connection { state, code } => mock.connection(session, *state, *code).await?,
            Action::Stanzas(stanzas) => {
                mock.inject(session, stanzas.clone()).await?;
            }
            Action::Event(event) => mock.hand(session, vec![event.clone()]).await?,
            Action::Faults(faults) => mock.set_faults(session, faults)?,
            Action::Subscribe(names) => {
                while subscriptions.try_join_next().is_some() {}
                self.subscribe(subscriptions, session, names.clone());
                if mock.clock().pace() != Pace::Stepped {
                    let all = async { while subscriptions.join_next().await.is_some() {} };
                    let _ = timeout(SUBSCRIBE_PATIENCE, all).await;
                }
            }
            Action::Expect(expect) => {
                for message in self.broken(session, expect).await {
                    self.not_met(due, message);
                }
            }
        }
        Ok(())
    }

    /// Subscribes to chats as an application does, without waiting for it.
    fn subscribe(&self, subscriptions: &mut JoinSet<()>, session: &str, names: Vec<String>) {
        let (stage, session) = (self.clone(), session.to_owned());
        subscriptions.spawn(self.mock().clock().activity().track(async move {
            for name in names {
                let Ok(jid) = stage.mock().with_world(|world| world.jid(&name)) else { continue };
                let path = format!("/api/{session}/presence/{}/subscribe", outward(&jid));
                if let Err(error) = stage.ask(Method::POST, &path).await {
                    tracing::warn!(session, chat = jid, error, "the scenario's subscribe failed");
                }
            }
        }));
    }

    fn not_met(&self, due: &Due<'_>, message: String) {
        let unmet = Unmet { at: due.at, source: due.source.to_owned(), message };
        tracing::warn!(at = %unmet.at, source = unmet.source, "{}", unmet.message);
        let mut play = self.0.play.lock();
        if play.unmet.len() < UNMET_LIMIT {
            play.unmet.push(unmet);
        }
    }
}

/// A scenario that repeats without end runs past its duration, which only bounds a replay.
fn repeats_for_ever(scenario: &Scenario) -> bool {
    scenario.traffic.is_none()
        && scenario.steps.iter().any(|step| matches!(step.repeat, Some((_, None))))
}

/// Splits a step for all connections into one per session, so that their consequences do not interleave.
fn each_session<'a>(scenario: &'a Scenario, due: Due<'a>) -> Vec<Due<'a>> {
    let of_all = matches!(*due.action, Action::Connection { .. } | Action::Faults(_));
    if due.session.is_some() || !of_all {
        return vec![due];
    }
    let on = |session: &'a Session| Due { session: Some(&session.name), ..due.clone() };
    scenario.sessions.iter().map(on).collect()
}
