//! `mock-engine serve`: the whole server.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::builder::PossibleValuesParser;
use gateway::{Environment, SettingError, server::Settings};
use host_sdk::{GatewayBuilder, SHUTDOWN_GRACE, SessionError, is_session_name};
use mock_engine::{
    MockWaha, Scenario, Speed,
    scenario::{ENGINES, Session},
};
use tokio::{net::TcpListener, runtime::Runtime, sync::oneshot};

use super::{signals::Signals, usage};

/// Start a WAHA server on the mock engine.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  mock-engine serve
  mock-engine serve --listen 127.0.0.1:0 --no-scenario
  mock-engine serve --scenario my-scenario.toml --speed 60 --webhook http://localhost:8080/
  mock-engine serve --scenario reconnect --speed stepped
      then: curl -X POST localhost:3000/mock/clock/advance -d '{\"by\":\"5s\"}'

The control API is at /mock; GET /mock lists sessions, scenario, clock and failed expectations.")]
pub(super) struct Args {
    /// Presence plugin library [default: found beside this program]
    #[arg(long, value_name = "FILE", env = "PRESENCE_PLUGIN")]
    plugin: Option<PathBuf>,

    /// Scenario: a TOML file or the name of a built-in scenario
    #[arg(long, value_name = "FILE", default_value = "lively", conflicts_with = "no_scenario")]
    scenario: String,

    /// Start without contacts or steps; drive the mock through /mock
    #[arg(long)]
    no_scenario: bool,

    /// Recording to play instead of a scenario
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_scenario", "scenario"])]
    recording: Option<PathBuf>,

    /// Clock speed: a multiplier, `stepped` (manual), or `max`
    #[arg(long, value_name = "N", default_value = "1")]
    speed: Speed,

    /// Session name; repeatable [env: WHATSAPP_START_SESSION]
    /// [default: the scenario's sessions, or `default`]
    #[arg(long, value_name = "NAME", value_parser = session_name)]
    session: Vec<String>,

    /// Engine of the sessions; presence needs NOWEB [env: WHATSAPP_DEFAULT_ENGINE]
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(ENGINES))]
    engine: Option<String>,

    /// Seeds all randomness [default: the scenario's seed]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Where real WhatsApp clients may log in, too
    #[arg(long, value_name = "HOST:PORT")]
    whatsapp: Option<String>,

    #[command(flatten)]
    server: gateway::server::Args,
}

fn session_name(text: &str) -> Result<String, String> {
    if is_session_name(text) {
        return Ok(text.to_owned());
    }
    Err(SessionError::BadName(text.to_owned()).to_string())
}

/// Serves until a signal ends it.
pub(super) fn run(mut args: Args, environment: &Environment) -> Result<ExitCode> {
    // Mistakes are reported before the port is taken.
    let settings = args.server.read(environment).unwrap_or_else(|error| usage(error));
    args.add_environment(environment).unwrap_or_else(|error| usage(error));
    for warning in environment.warnings() {
        tracing::warn!("{warning}");
    }
    let scenario = scenario(&args)?;
    if let Some(address) = &args.whatsapp {
        super::whatsapp::address("--whatsapp", address);
    }
    Runtime::new()?.block_on(serve(args, scenario, settings))
}

impl Args {
    /// Takes WAHA's variables for what no flag says.
    fn add_environment(&mut self, environment: &Environment) -> Result<(), SettingError> {
        let name = "WHATSAPP_START_SESSION";
        if self.session.is_empty() {
            let sessions = environment.list(name).into_iter().map(|text| session_name(&text));
            self.session = sessions
                .collect::<Result<_, _>>()
                .map_err(|problem| SettingError { name: name.to_owned(), problem })?;
        }
        let name = "WHATSAPP_DEFAULT_ENGINE";
        if let (None, Some(engine)) = (&self.engine, environment.text(name)) {
            if !ENGINES.contains(&engine) {
                let problem = format!("expected one of {}, found {engine:?}", ENGINES.join(", "));
                return Err(SettingError { name: name.to_owned(), problem });
            }
            self.engine = Some(engine.to_owned());
        }
        // All sessions start with the server; the value is checked all the same.
        environment.boolean("WHATSAPP_RESTART_ALL_SESSIONS").map(drop)
    }
}

async fn serve(args: Args, scenario: Scenario, settings: Settings) -> Result<ExitCode> {
    let address = settings.address;
    let mut signals = Signals::catch()?;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("failed to listen on {address}"))?;
    let address = listener.local_addr()?;
    let webhooks = settings.delivery.global_webhooks.iter();
    let webhooks: Vec<String> = webhooks.map(|webhook| webhook.url().to_owned()).collect();
    let has_key = settings.key.is_some();
    let engine = args.engine;
    let mut builder =
        MockWaha::builder().scenario(scenario).speed(args.speed).gateway(move |gateway| {
            let gateway = settings.apply(gateway);
            engine.into_iter().fold(gateway, GatewayBuilder::default_engine)
        });
    if let Some(seed) = args.seed {
        builder = builder.seed(seed);
    }
    if let Some(plugin) = args.plugin {
        builder = builder.plugin(plugin);
    }
    let waha = builder.build()?;
    tokio::select! {
        () = waha.begin() => {}
        // With many people the start takes a while.
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    }
    let clients = match &args.whatsapp {
        Some(address) => Some(super::whatsapp::serve_clients(waha.whatsapp(), address).await?),
        None => None,
    };
    let mut screen = screen(&waha, address, args.speed, &webhooks, has_key);
    if let Some(clients) = clients {
        screen.push_str(&format!("clients of WhatsApp on ws://{clients}/ws/chat\n"));
    }
    let mut stdout = io::stdout();
    writeln!(stdout, "{screen}listening on http://{address}")?;
    stdout.flush()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = waha.gateway().serve(listener, async {
        // It is sent before it is dropped.
        let _ = stopped.await;
    });
    tokio::pin!(serving);
    tokio::select! {
        served = &mut serving => return Ok(served.map(|_| ExitCode::SUCCESS)?),
        () = signals.next() => {}
    }
    waha.stop_playing().await;
    let grace = SHUTDOWN_GRACE.as_secs();
    tracing::info!(
        "shutting down; delivering pending events for up to {grace} s, or until interrupted again"
    );
    let _ = stop.send(());
    tokio::select! {
        served = serving => Ok(served.map(|_| ExitCode::SUCCESS)?),
        () = signals.next() => {
            tracing::warn!("interrupted again; pending events are lost");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn scenario(args: &Args) -> Result<Scenario> {
    let mut scenario = match &args.recording {
        Some(recording) => super::scenario::recorded(recording)?,
        None if args.no_scenario => Scenario::default(),
        None => super::scenario::find(&args.scenario)?,
    };
    let twice = (1..args.session.len()).find(|&at| args.session[..at].contains(&args.session[at]));
    if let Some(at) = twice {
        usage(format_args!("--session {} is given twice", args.session[at]));
    }
    if !args.session.is_empty() {
        scenario.sessions = args.session.iter().map(Session::new).collect();
    }
    if scenario.sessions.is_empty() {
        scenario.sessions.push(Session::new("default"));
    }
    if let Some(engine) = &args.engine {
        for session in &mut scenario.sessions {
            session.engine.clone_from(engine);
        }
    }
    let unknown = scenario.steps.iter().find(|step| {
        let known = |name: &String| scenario.sessions.iter().any(|session| session.name == *name);
        step.session.as_ref().is_some_and(|name| !known(name))
    });
    if let Some(step) = unknown {
        let name = step.session.as_deref().unwrap_or_default();
        anyhow::bail!("{}: the session {name:?} is not among those of --session", step.source);
    }
    Ok(scenario)
}

/// What runs, and what to try.
fn screen(
    waha: &MockWaha,
    address: SocketAddr,
    speed: Speed,
    webhooks: &[String],
    key: bool,
) -> String {
    let mock = waha.engine();
    let scenario = mock.scenario();
    let mut rows: Vec<(&str, String)> = Vec::new();
    for plugin in waha.gateway().plugins() {
        let file = plugin.file.as_deref().unwrap_or(Path::new("linked in"));
        let file = file.display();
        rows.push(("plugin", format!("{} {} ({file})", plugin.name, plugin.version)));
    }
    for session in &scenario.sessions {
        let me = mock.me(&session.name).map(|me| me.id).unwrap_or_default();
        rows.push(("session", format!("{} on {}, as {me}", session.name, session.engine)));
    }
    let plays = if scenario.name.is_empty() && scenario.steps.is_empty() {
        "none; use the control API at /mock".to_owned()
    } else if scenario.description.is_empty() {
        scenario.name.clone()
    } else {
        format!("{}: {}", scenario.name, scenario.description)
    };
    rows.push(("scenario", plays));
    rows.push(("seed", mock.seed().to_string()));
    rows.push(("clock", speed.to_string()));
    for webhook in webhooks {
        rows.push(("webhook", webhook.clone()));
    }
    let mut text = format!("mock-engine {}\n\n", env!("CARGO_PKG_VERSION"));
    for (name, value) in rows {
        text.push_str(&format!("  {name:<10}{value}\n"));
    }
    text.push_str("\nTry:\n");
    for line in tries(&scenario, address, key) {
        text.push_str(&format!("  {line}\n"));
    }
    text.push('\n');
    text
}

/// Three `curl` lines with ids that the scenario has.
fn tries(scenario: &Scenario, address: SocketAddr, key: bool) -> Vec<String> {
    let noweb = scenario.sessions.iter().find(|session| session.engine == "NOWEB");
    let session = noweb.or(scenario.sessions.first()).map_or("default", |it| &it.name);
    let world = scenario.world(0, 0);
    let waha_id = |jid: String| jid.replace("@s.whatsapp.net", "@c.us");
    let contact = world
        .contacts()
        .values()
        .next()
        .map_or_else(|| "5511999990001@c.us".to_owned(), |contact| waha_id(contact.jid()));
    let group = world
        .groups()
        .values()
        .next()
        .map_or_else(|| "120363041234567890@g.us".to_owned(), mock_engine::world::Group::jid);
    let header = if key { "-H \"X-Api-Key: $WAHA_API_KEY\" " } else { "" };
    let base = format!("http://{address}/api/{session}/presence");
    vec![
        format!("curl {header}{base}"),
        format!("curl {header}{base}/{contact}"),
        format!("curl {header}-X POST {base}/{group}/subscribe"),
    ]
}
