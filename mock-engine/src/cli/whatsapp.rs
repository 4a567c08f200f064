//! `mock-engine whatsapp`: a WhatsApp server for real clients.

use std::{
    io::{self, Write},
    net::{SocketAddr, ToSocketAddrs},
    process::ExitCode,
};

use anyhow::{Context, Result};
use axum::{
    Json,
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use host_sdk::ApiKey;
use mock_engine::{
    Delay, Scenario, Speed,
    whatsapp::{MockWhatsApp, Options, WhatsApp, preload},
};
use tokio::{net::TcpListener, runtime::Runtime};

use super::{signals::Signals, usage};

/// Run a WhatsApp server that real clients (Baileys, whatsapp-rust) log in to
#[derive(clap::Args)]
#[command(after_help = "Examples:
  mock-engine whatsapp
  mock-engine whatsapp --scenario group-typing --listen 127.0.0.1:3001
  mock-engine whatsapp preload > preload.mjs
      then: WA_MOCK_URL=ws://127.0.0.1:3001/ws/chat node --import ./preload.mjs app.js

A client logs in with a QR code, whose text POST /mock/whatsapp/scan takes, or with credentials that
GET /mock/whatsapp/credentials?phone=5511999990001 makes.")]
pub(super) struct Args {
    #[command(subcommand)]
    print: Option<Print>,

    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:3001")]
    listen: String,

    /// The scenario to play: a TOML file, or the name of an embedded one
    #[arg(long, value_name = "FILE", default_value = "lively", conflicts_with = "no_scenario")]
    scenario: String,

    /// Play nothing: an empty world, driven through /mock alone
    #[arg(long)]
    no_scenario: bool,

    /// How fast time goes: a number of times, `stepped` for only when told, or `max`
    #[arg(long, value_name = "N", default_value = "1")]
    speed: Speed,

    /// The seed of all chance; the scenario's unless said
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// How long a chat state is kept for a client that is away
    #[arg(long, value_name = "TIME", default_value = "60s")]
    chatstate_ttl: Delay,

    /// How many connections there may be at a time
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    connections: usize,

    /// The key that callers of /mock show in X-Api-Key; plain, or sha512:HEX. Clients need none
    #[arg(long, value_name = "KEY", env = "WAHA_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
}

#[derive(clap::Subcommand)]
enum Print {
    /// Print the script that points a program's own Baileys to this server
    Preload,
}

/// Serves until it is told to stop.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    if let Some(Print::Preload) = args.print {
        io::stdout().write_all(preload().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let address = address("--listen", &args.listen);
    let key = args.api_key.as_deref().filter(|key| !key.is_empty()).map(|key| {
        ApiKey::parse(key).unwrap_or_else(|error| usage(format_args!("--api-key: {error}")))
    });
    if key.is_none() && !address.ip().is_loopback() {
        usage(format_args!(
            "--listen {address} lets other machines call /mock, which needs --api-key KEY \
             (or WAHA_API_KEY); or listen on 127.0.0.1"
        ));
    }
    let scenario =
        if args.no_scenario { Scenario::default() } else { super::scenario::find(&args.scenario)? };
    let options = Options { chatstate_ttl: args.chatstate_ttl, connections: args.connections };
    let whatsapp = MockWhatsApp::new(scenario, args.seed, args.speed, options);
    Runtime::new()?.block_on(serve(whatsapp, address, key))
}

async fn serve(
    whatsapp: MockWhatsApp,
    address: SocketAddr,
    key: Option<ApiKey>,
) -> Result<ExitCode> {
    let mut signals = Signals::catch()?;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("failed to listen on {address}"))?;
    let address = listener.local_addr()?;
    whatsapp.begin().await;
    let mut control = whatsapp.control();
    if let Some(key) = key {
        control = control.layer(middleware::from_fn(move |request: Request, next: Next| {
            admit(key.clone(), request, next)
        }));
    }
    let router = control.merge(whatsapp.clients());
    let mut stdout = io::stdout();
    writeln!(stdout, "{}listening on http://{address}", screen(&whatsapp, address))?;
    stdout.flush()?;
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { signals.next().await })
        .await?;
    Ok(ExitCode::SUCCESS)
}

/// Serves clients on an address of their own, as long as the program runs.
pub(super) async fn serve_clients(whatsapp: &WhatsApp, address: &str) -> Result<SocketAddr> {
    let listener = TcpListener::bind(self::address("--whatsapp", address))
        .await
        .with_context(|| format!("failed to listen on {address} for clients of WhatsApp"))?;
    let address = listener.local_addr()?;
    let clients = whatsapp.clients();
    tokio::spawn(async move { axum::serve(listener, clients).await });
    Ok(address)
}

/// Lets a request through that shows the key.
async fn admit(key: ApiKey, request: Request, next: Next) -> Response {
    let shown = request.headers().get("X-Api-Key").and_then(|it| it.to_str().ok());
    if shown.is_some_and(|shown| key.admits(shown)) {
        return next.run(request).await;
    }
    let body = serde_json::json!({ "message": "Unauthorized", "statusCode": 401 });
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

pub(super) fn address(option: &str, text: &str) -> SocketAddr {
    match text.to_socket_addrs().map(|mut all| all.next()) {
        Ok(Some(address)) => address,
        _ => usage(format_args!(
            "{option}: {text:?} is not an address; expected HOST:PORT, as 127.0.0.1:3001"
        )),
    }
}

fn screen(whatsapp: &MockWhatsApp, address: SocketAddr) -> String {
    let mock = whatsapp.engine();
    let mut text = format!("mock-engine {} whatsapp\n\n", env!("CARGO_PKG_VERSION"));
    let mut row = |name: &str, value: &str| text.push_str(&format!("  {name:<10}{value}\n"));
    row("clients", &format!("ws://{address}/ws/chat"));
    for session in mock.sessions() {
        let me = mock.me(&session).map(|me| me.id).unwrap_or_default();
        row("session", &format!("{session}, as {me}"));
    }
    let scenario = mock.scenario();
    row("scenario", if scenario.name.is_empty() { "none" } else { &scenario.name });
    row("seed", &mock.seed().to_string());
    text.push_str(&format!(
        "\nTry:\n  curl http://{address}/mock/whatsapp/credentials > creds.json\n  \
         curl http://{address}/mock/whatsapp\n\n"
    ));
    text
}
