//! The options that say what is checked and how it is reached.

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
    /// The server to check
    #[arg(long, value_name = "URL", env = "WAHA_URL")]
    target: String,

    /// The key that it asks for
    #[arg(long, value_name = "KEY", env = "WAHA_API_KEY", hide_env_values = true)]
    api_key: Option<String>,

    /// The session to check
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = session_name)]
    session: String,

    /// A session on another engine than NOWEB, which has no presence; found unless said
    #[arg(long, value_name = "NAME")]
    other_engine_session: Option<String>,

    /// What makes the engine do something: mock:URL, exec:COMMAND, peer:URL#SESSION, manual or none
    #[arg(long, value_name = "DRIVER", default_value = "none")]
    driver: String,

    /// The key of the peer's server, for --driver peer
    #[arg(long, value_name = "KEY", env = "WAHA_PEER_API_KEY", hide_env_values = true)]
    peer_api_key: Option<String>,

    /// Where the suite listens for webhooks
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    bind: SocketAddr,

    /// How the target reaches that address, when it is another
    #[arg(long, value_name = "URL")]
    advertise: Option<String>,

    /// The target's webhooks go to --advertise already; the suite configures none for presence
    #[arg(long)]
    webhook_configured: bool,

    /// How long an answer or a webhook may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = some_time)]
    timeout: Duration,

    /// How long it is watched that nothing happens
    #[arg(long, value_name = "TIME", default_value = "300ms", value_parser = duration)]
    settle: Duration,

    /// Where all made-up ids come from; by chance unless said, and told in the report
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

impl TargetArgs {
    /// Reaches the target and the driver, and listens for webhooks.
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
                "the session {session:?} is on the engine {engine}, and presence is NOWEB's alone; say \
                 with --session which one is on NOWEB"
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
    /// Whether the target can be told where webhooks go.
    fn check_addresses(&self) -> Result<(), Ended> {
        let Some(url) = &self.advertise else {
            if self.bind.ip().is_unspecified() {
                let cause = anyhow!(
                    "--bind {} is every address of this machine; say with --advertise which of them \
                     the target reaches",
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
                "--advertise: {url:?} is no address of a receiver; expected http://host:port"
            ))),
        }
    }
}

/// Whether it means every address, which is nobody's in particular.
fn is_unspecified(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.is_ok_and(|address| address.is_unspecified())
}

/// A name that fits in a path as it is.
fn session_name(text: &str) -> Result<String, String> {
    let fits = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    if !text.is_empty() && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err("expected letters, digits, '-', '_' or '.'".to_owned())
}

/// A time that is not over at once.
fn some_time(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time.is_zero() { Err("expected more than no time".to_owned()) } else { Ok(time) }
}

/// The longest time that can be asked for.
const LONGEST: Duration = Duration::from_mins(10);

/// Reads `300ms`, `5s` or `2m`.
fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?} is no time; expected 300ms, 5s or 2m");
    let digits = text.find(|char: char| !char.is_ascii_digit()).ok_or_else(bad)?;
    let number: u64 = text[..digits].parse().map_err(|_| bad())?;
    let unit = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err(bad()),
    };
    let time = number.checked_mul(unit).map(Duration::from_millis);
    time.filter(|time| *time <= LONGEST).ok_or_else(|| format!("{text:?} is more than 10m"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for bad in ["5", "s", "5 s", "-1s", "1h", "11m", "18446744073709551615s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
