//! `mock-engine record`: writes down what a real WAHA says.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use futures_util::StreamExt;
use host_sdk::{Clock, SystemClock, tls::Tls};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mock_engine::{
    Delay,
    recording::{Header, Listener, Scrubber, write_line},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    time::timeout,
};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

use super::{refuse_to_overwrite, signals::Signals, usage};

/// Record the events of a real WAHA, for `replay` and `serve --recording`.
///
/// Phone numbers, names and texts are replaced before they are written.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  mock-engine record --waha ws://localhost:3000/ws --api-key K --session default -o morning.jsonl
  mock-engine record --waha wss://waha.example.com/ws --api-key K -o morning.jsonl
  mock-engine record --listen 0.0.0.0:8080 -o morning.jsonl
      (with WAHA's webhook set to http://this-machine:8080/ for engine.event or presence.update)

A broken connection is reopened. Stop with Ctrl-C, --events or --for.")]
pub(super) struct Args {
    /// WebSocket URL of WAHA
    #[arg(long, value_name = "URL", required_unless_present = "listen")]
    waha: Option<String>,

    /// Receive webhooks at this address instead
    #[arg(long, value_name = "ADDR", conflicts_with = "waha")]
    listen: Option<String>,

    /// Trust these certificates (PEM) beside the usual ones, for wss://
    #[arg(long, value_name = "FILE", requires = "waha")]
    ca: Option<PathBuf>,

    /// WAHA's key
    #[arg(long, value_name = "KEY", env = "WAHA_API_KEY", hide_env_values = true)]
    api_key: Option<String>,

    /// Session to record; `*` records all
    #[arg(long, value_name = "NAME", default_value = "*")]
    session: String,

    /// Output file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Overwrite an existing file
    #[arg(long)]
    force: bool,

    /// Keep numbers, names and texts as they are
    #[arg(long)]
    no_scrub: bool,

    /// Seed of the replacement numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Stop after N events
    #[arg(long, value_name = "N")]
    events: Option<u64>,

    /// Stop after this time
    #[arg(long = "for", value_name = "TIME")]
    length: Option<Delay>,
}

/// Records.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    Runtime::new()?.block_on(record(args))
}

async fn record(args: &Args) -> Result<ExitCode> {
    let mut signals = Signals::catch()?;
    let tape = Arc::new(Tape::new(args)?);
    let recorded = async {
        match (&args.waha, &args.listen) {
            (Some(url), _) => hear_socket(args, url, &tape).await,
            (None, Some(address)) => hear_webhooks(address, &tape).await,
            (None, None) => usage("record needs --waha URL or --listen ADDR"),
        }
    };
    let end = async {
        match args.length {
            Some(length) => tokio::time::sleep(length.duration()).await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        ended = recorded => ended,
        () = end => Ok(()),
        () = tape.full() => Ok(()),
        () = signals.next() => Ok(()),
    };
    match tape.finish()? {
        Some(events) => {
            writeln!(io::stderr(), "{events} events recorded in {}", args.output.display())?;
        }
        None => writeln!(io::stderr(), "nothing was recorded")?,
    }
    ended?;
    Ok(ExitCode::SUCCESS)
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How long a WAHA may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest wait before it connects again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Listens, and connects again when the connection breaks, until the server says that it makes no
/// sense.
async fn hear_socket(args: &Args, url: &str, tape: &Tape) -> Result<()> {
    let join = if url.contains('?') { '&' } else { '?' };
    let session = utf8_percent_encode(&args.session, NON_ALPHANUMERIC);
    let full = format!("{url}{join}session={session}&events=engine.event&events=presence.update");
    let mut request = full
        .as_str()
        .into_client_request()
        .with_context(|| format!("--waha: invalid WebSocket URL {url:?}"))?;
    if let Some(key) = &args.api_key {
        let key = HeaderValue::from_str(key).context("--api-key: it cannot be sent as a header")?;
        request.headers_mut().insert("X-Api-Key", key);
    }
    let tls = Tls::new(args.ca.as_deref(), false)
        .unwrap_or_else(|error| usage(format_args!("--ca: {:#}", anyhow::Error::new(error))));
    let tls = Connector::Rustls(Arc::new(tls.client_config()));
    let connect = || {
        let request = request.clone();
        let connecting = connect_async_tls_with_config(request, None, false, Some(tls.clone()));
        timeout(CONNECT_TIMEOUT, connecting)
    };
    let (mut socket, _) = connect()
        .await
        .with_context(|| format!("{url} did not answer within {CONNECT_TIMEOUT:?}"))?
        .with_context(|| format!("failed to connect to {url}"))?;
    tape.begin()?;
    loop {
        let end = hear_until_end(&mut socket, tape).await?;
        tape.say(&format!("{url}: {end}; what happens until it is there again is missed"))?;
        let mut wait = Duration::ZERO;
        socket = loop {
            tokio::time::sleep(wait).await;
            match connect().await {
                Ok(Ok((socket, _))) => break socket,
                Ok(Err(Error::Http(refusal))) if refusal.status().is_client_error() => {
                    bail!("{url} refuses the connection: {}", refusal.status());
                }
                _ => wait = (wait * 2).clamp(Duration::from_secs(1), LONGEST_WAIT),
            }
        };
        tape.say(&format!("{url}: connected again"))?;
    }
}

/// Listens until the connection ends: how it did, unless another would end the same way.
async fn hear_until_end(socket: &mut Socket, tape: &Tape) -> Result<String> {
    while let Some(message) = socket.next().await {
        match message {
            Ok(Message::Text(text)) => tape.hear(text.as_bytes())?,
            Ok(Message::Binary(bytes)) => tape.hear(&bytes)?,
            Ok(Message::Close(Some(frame))) => {
                let (code, reason) = (u16::from(frame.code), frame.reason);
                // From 4000 on the application says why, and here it is the parameters.
                if code >= 4000 {
                    bail!("the connection was refused: {code} {reason}");
                }
                return Ok(format!("the connection was closed: {code} {reason}"));
            }
            Ok(_) => {}
            Err(error) => return Ok(format!("the connection broke: {error}")),
        }
    }
    Ok("the connection was closed".to_owned())
}

/// Receives webhooks until a signal ends it.
async fn hear_webhooks(address: &str, tape: &Arc<Tape>) -> Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("failed to listen on {address}"))?;
    tape.begin()?;
    writeln!(io::stderr(), "listening on http://{}", listener.local_addr()?)?;
    let router = Router::new().fallback(post(take_webhook)).with_state(tape.clone());
    axum::serve(listener, router).await.context("the listener failed")
}

async fn take_webhook(State(tape): State<Arc<Tape>>, body: Bytes) -> (StatusCode, String) {
    match tape.hear(&body) {
        Ok(()) => (StatusCode::OK, String::new()),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")),
    }
}

/// The file that is being written; `None` until the first source is connected.
struct Tape {
    output: PathBuf,
    seed: Option<u64>,
    state: Mutex<Writing>,
    clock: SystemClock,
    bar: ProgressBar,
    limit: Option<u64>,
    full: tokio::sync::Notify,
}

struct Writing {
    out: Option<BufWriter<File>>,
    listener: Listener,
    scrubber: Option<Scrubber>,
    events: u64,
}

impl Tape {
    fn new(args: &Args) -> Result<Self> {
        refuse_to_overwrite(&args.output, args.force)?;
        let seed = (!args.no_scrub).then_some(args.seed);
        let shows = io::stderr().is_terminal();
        let target =
            if shows { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(args.events, target);
        let style = ProgressStyle::with_template("{spinner} {pos} events, {elapsed}, {per_sec}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(250));
        let state = Mutex::new(Writing {
            out: None,
            listener: Listener::default(),
            scrubber: seed.map(Scrubber::new),
            events: 0,
        });
        let (output, clock, limit) = (args.output.clone(), SystemClock::new(), args.events);
        Ok(Self { output, seed, state, clock, bar, limit, full: tokio::sync::Notify::new() })
    }

    /// Makes the file.
    fn begin(&self) -> Result<()> {
        let name = self.output.display();
        let file =
            File::create(&self.output).with_context(|| format!("failed to create {name}"))?;
        let mut out = BufWriter::new(file);
        write_line(&mut out, &Header::new(self.clock.now_ms(), self.seed))?;
        out.flush().with_context(|| format!("failed to write {name}"))?;
        self.state.lock().unwrap_or_else(PoisonError::into_inner).out = Some(out);
        Ok(())
    }

    /// Tells the person at the terminal.
    fn say(&self, text: &str) -> io::Result<()> {
        self.bar.suspend(|| writeln!(io::stderr(), "{text}"))
    }

    /// Writes down an envelope, if there is an event in it. What is no JSON is passed over.
    fn hear(&self, text: &[u8]) -> Result<()> {
        let Ok(envelope) = serde_json::from_slice::<Value>(text) else { return Ok(()) };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        if self.limit.is_some_and(|limit| state.events >= limit) {
            return Ok(());
        }
        let Some(event) = state.listener.hear(&envelope, self.clock.now_ms()) else {
            return Ok(());
        };
        let event = match &mut state.scrubber {
            Some(scrubber) => scrubber.scrub(event),
            None => event,
        };
        let Some(out) = &mut state.out else { return Ok(()) };
        write_line(&mut *out, &event).context("failed to write the recording")?;
        // A crash loses the line that is being written, and no other.
        out.flush().context("failed to write the recording")?;
        state.events += 1;
        self.bar.set_position(state.events);
        if self.limit == Some(state.events) {
            self.full.notify_one();
        }
        Ok(())
    }

    async fn full(&self) {
        self.full.notified().await;
    }

    /// How many events are in the file, if there is one.
    fn finish(&self) -> Result<Option<u64>> {
        self.bar.finish_and_clear();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(out) = &mut state.out else { return Ok(None) };
        out.flush().context("failed to write the recording")?;
        Ok(Some(state.events))
    }
}
