//! `mock-engine serve`: the whole server.

use std::{
    io::{self, Write},
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::builder::PossibleValuesParser;
use host_sdk::{
    ApiKey, SHUTDOWN_GRACE, SessionError, event_bus::DeliverySettings, is_session_name,
};
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
    /// Address to listen on; port 0 picks a free port [env: WHATSAPP_API_HOSTNAME, WHATSAPP_API_PORT]
    /// [default: 127.0.0.1:3000]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,

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

    /// Session name; repeatable [default: the scenario's sessions, or `default`]
    #[arg(long, value_name = "NAME", value_parser = session_name)]
    session: Vec<String>,

    /// Engine of the sessions; presence needs NOWEB
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(ENGINES))]
    engine: Option<String>,

    /// API key that clients send in X-Api-Key; plain text or sha512:HEX
    #[arg(long, value_name = "KEY", env = "WAHA_API_KEY", hide_env_values = true)]
    api_key: Option<String>,

    /// Seeds all randomness [default: the scenario's seed]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    #[command(flatten)]
    webhooks: super::webhooks::Args,
}

fn session_name(text: &str) -> Result<String, String> {
    if is_session_name(text) {
        return Ok(text.to_owned());
    }
    Err(SessionError::BadName(text.to_owned()).to_string())
}

/// Serves until it is told to stop.
pub(super) fn run(args: Args) -> Result<ExitCode> {
    let address = address(args.listen.as_deref());
    let api_key = args.api_key.as_deref().filter(|key| !key.is_empty()).map(|key| {
        ApiKey::parse(key).unwrap_or_else(|error| usage(format_args!("--api-key: {error}")))
    });
    if api_key.is_none() && !address.ip().is_loopback() {
        usage(format_args!(
            "listening on {address} accepts connections from other machines and needs --api-key KEY \
             (or WAHA_API_KEY); or listen on 127.0.0.1"
        ));
    }
    let scenario = scenario(&args)?;
    // Mistakes are reported before the port is taken.
    let delivery = args.webhooks.delivery();
    Runtime::new()?.block_on(serve(args, scenario, address, api_key, delivery))
}

async fn serve(
    args: Args,
    scenario: Scenario,
    address: SocketAddr,
    api_key: Option<ApiKey>,
    delivery: DeliverySettings,
) -> Result<ExitCode> {
    let mut signals = Signals::catch()?;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("failed to listen on {address}"))?;
    let address = listener.local_addr()?;
    let webhooks: Vec<String> =
        delivery.global_webhooks.iter().map(|webhook| webhook.url().to_owned()).collect();
    let mut builder = MockWaha::builder()
        .scenario(scenario)
        .speed(args.speed)
        .gateway(move |gateway| gateway.delivery(delivery));
    if let Some(seed) = args.seed {
        builder = builder.seed(seed);
    }
    if let Some(plugin) = args.plugin {
        builder = builder.plugin(plugin);
    }
    let has_key = api_key.is_some();
    if let Some(key) = api_key {
        builder = builder.api_key(key);
    }
    let waha = builder.build()?;
    tokio::select! {
        () = waha.begin() => {}
        // With many people the start takes a while.
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    }
    let screen = screen(&waha, address, args.speed, &webhooks, has_key);
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

fn address(listen: Option<&str>) -> SocketAddr {
    let text = match listen {
        Some(text) => text.to_owned(),
        None => {
            let host = std::env::var("WHATSAPP_API_HOSTNAME").ok().filter(|it| !it.is_empty());
            let port = std::env::var("WHATSAPP_API_PORT").ok().filter(|it| !it.is_empty());
            let host = host.unwrap_or_else(|| "127.0.0.1".to_owned());
            match host.parse::<IpAddr>() {
                Ok(IpAddr::V6(host)) => format!("[{host}]:{}", port.as_deref().unwrap_or("3000")),
                _ => format!("{host}:{}", port.as_deref().unwrap_or("3000")),
            }
        }
    };
    match text.to_socket_addrs().map(|mut all| all.next()) {
        Ok(Some(address)) => address,
        _ => usage(format_args!(
            "invalid address {text:?}; expected HOST:PORT, for example 127.0.0.1:3000"
        )),
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
