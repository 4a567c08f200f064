//! The options that describe the target, the driver and the receiver.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow};
use conformance_tests::{Environment, Receiver, Settings, Target, driver, driver::DriverError};

use super::Ended;

#[derive(Debug, clap::Args)]
pub(super) struct TargetArgs {
    /// Server to check
    #[arg(long, value_name = "URL", env = "WAHA_URL")]
    target: String,

    /// API key of the server
    #[arg(long, value_name = "KEY", env = "WAHA_API_KEY", hide_env_values = true)]
    api_key: Option<String>,

    /// Session to check
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = session_name)]
    session: String,

    /// Session on an engine other than NOWEB, which has no presence [default: the first one listed]
    #[arg(long, value_name = "NAME")]
    other_engine_session: Option<String>,

    /// Driver of the engine's side: mock:URL, exec:COMMAND, peer:URL#SESSION, manual or none
    #[arg(long, value_name = "DRIVER", default_value = "none")]
    driver: String,

    /// API key of the peer's server, for --driver peer
    #[arg(long, value_name = "KEY", env = "WAHA_PEER_API_KEY", hide_env_values = true)]
    peer_api_key: Option<String>,

    /// Address to listen on for webhooks
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    bind: SocketAddr,

    /// URL at which the target reaches that address, if different
    #[arg(long, value_name = "URL")]
    advertise: Option<String>,

    /// The target's webhooks already go to --advertise; do not configure one for presence
    #[arg(long)]
    webhook_configured: bool,

    /// Time limit for an answer or a webhook
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = some_time)]
    timeout: Duration,

    /// Quiet period before "no event" is accepted
    #[arg(long, value_name = "TIME", default_value = "300ms", value_parser = duration)]
    settle: Duration,

    /// Seed of all generated ids, shown in the report [default: random]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

impl TargetArgs {
    /// Connects to the target and the driver, and starts the webhook receiver.
    pub(super) async fn prepare(&self) -> Result<Arc<Environment>, Ended> {
        let key = self.api_key.clone().filter(|key| !key.is_empty());
        let target = Target::new(&self.target, key, self.timeout).map_err(Ended::usage)?;
        self.check_addresses()?;
        let reached = target.reach(&self.session).await;
        reached.map_err(|why| {
            Ended::unreachable(anyhow!("failed to reach {}: {why}", target.url()))
        })?;
        let engine = target.engine_of(&self.session).await;
        let engine =
            engine.map_err(|why| Ended::unreachable(anyhow!("{}: {why}", target.url())))?;
        if let Some(engine) = engine.filter(|engine| engine != "NOWEB") {
            let session = &self.session;
            return Err(Ended::usage(anyhow!(
                "session {session:?} runs on the engine {engine}, but only NOWEB has presence; name a NOWEB \
                 session with --session"
            )));
        }
        let peer_key = self.peer_api_key.clone();
        let driver = driver::connect(&self.driver, &self.session, &target, peer_key).await;
        let driver = driver.map_err(|error| {
            if matches!(error, DriverError::Unknown(_) | DriverError::Misnamed { .. }) {
                Ended::usage(error)
            } else {
                Ended::unreachable(error)
            }
        })?;
        let receiver = Receiver::listen(self.bind, self.advertise.as_deref())
            .await
            .with_context(|| format!("failed to listen for webhooks on {}", self.bind))
            .map_err(Ended::usage)?;
        let settings = Settings {
            session: self.session.clone(),
            other_engine_session: self.other_engine_session.clone(),
            timeout: self.timeout,
            settle: self.settle,
            seed: self.seed.unwrap_or_else(|| rand::random::<u32>().into()),
            webhook_configured: self.webhook_configured,
        };
        Ok(Arc::new(Environment::prepare(target, driver, receiver, settings).await))
    }
}

impl TargetArgs {
    /// Checks that the target can reach the webhook receiver's address.
    fn check_addresses(&self) -> Result<(), Ended> {
        let Some(url) = &self.advertise else {
            if self.bind.ip().is_unspecified() {
                let cause = anyhow!(
                    "--bind {} means all addresses of this machine; pass the one that the target can reach \
                     with --advertise",
                    self.bind
                );
                return Err(Ended::usage(cause));
            }
            return Ok(());
        };
        let fits = |uri: &http::Uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty() && !is_unspecified(host))
                && matches!(uri.path(), "" | "/")
                && uri.query().is_none()
        };
        match url.parse::<http::Uri>() {
            Ok(uri) if fits(&uri) => Ok(()),
            _ => Err(Ended::usage(anyhow!(
                "--advertise: invalid URL {url:?}; expected http://host:port"
            ))),
        }
    }
}

/// Whether the host is the unspecified address.
fn is_unspecified(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.is_ok_and(|address| address.is_unspecified())
}

/// Parses a session name, which must need no escaping in a path.
fn session_name(text: &str) -> Result<String, String> {
    let fits = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    if !text.is_empty() && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err("expected letters, digits, '-', '_' or '.'".to_owned())
}

/// Parses a non-zero duration.
fn some_time(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time.is_zero() { Err("expected a duration greater than zero".to_owned()) } else { Ok(time) }
}

/// The longest duration accepted.
const LONGEST: Duration = Duration::from_mins(10);

/// Parses `300ms`, `5s` or `2m`.
fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("invalid duration {text:?}; expected 300ms, 5s or 2m");
    let digits = text.find(|char: char| !char.is_ascii_digit()).ok_or_else(bad)?;
    let number: u64 = text[..digits].parse().map_err(|_| bad())?;
    let unit = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err(bad()),
    };
    let time = number.checked_mul(unit).map(Duration::from_millis);
    time.filter(|time| *time <= LONGEST)
        .ok_or_else(|| format!("{text:?} exceeds the maximum of 10m"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for bad in ["5", "s", "5 s", "-1s", "1h", "11m", "18446744073709551615s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
