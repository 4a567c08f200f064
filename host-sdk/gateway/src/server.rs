//! How a server is reached, by whom, and where its events go.

use std::net::SocketAddr;

use host_sdk::{
    ApiKey, BrowserRules, ConnectionLimits, Docs, GatewayBuilder, event_bus::DeliverySettings,
};

use crate::{
    environment::{Environment, SettingError},
    listen, webhooks,
};

/// The flags that servers share.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Listen on HOST:PORT or PORT; port 0 takes a free one
    /// [env: WHATSAPP_API_HOSTNAME, WHATSAPP_API_PORT, PORT] [default: 127.0.0.1:3000]
    #[arg(long, value_name = "HOST:PORT", help_heading = "Server")]
    listen: Option<String>,

    /// Ask callers for this key in X-Api-Key; plain, or sha512:HEX
    /// [env: WAHA_API_KEY, WHATSAPP_API_KEY]
    #[arg(long, value_name = "KEY", help_heading = "Server")]
    api_key: Option<String>,

    /// Paths that need no key, separated by commas [env: WHATSAPP_API_KEY_EXCLUDE_PATH]
    #[arg(long, value_name = "PATHS", value_delimiter = ',', help_heading = "Server")]
    api_key_exclude: Vec<String>,

    /// Names that the server may be called by, separated by commas; `*` for all
    /// [env: WAHA_ALLOW_HOST] [default: loopback only, or any with a key]
    #[arg(long, value_name = "HOSTS", value_delimiter = ',', help_heading = "Server")]
    allow_host: Vec<String>,

    /// Origins of web pages that may use the server, separated by commas; `*` for all
    /// [env: WAHA_ALLOW_ORIGIN] [default: loopback only, or any with a key]
    #[arg(long, value_name = "ORIGINS", value_delimiter = ',', help_heading = "Server")]
    allow_origin: Vec<String>,

    /// Serve up to N connections at a time [default: 4096, or fewer if files are limited]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Server")]
    max_connections: Option<u32>,

    /// Do not serve the API documentation at /docs [env: WHATSAPP_SWAGGER_ENABLED]
    #[arg(long, help_heading = "Server")]
    no_docs: bool,

    #[command(flatten)]
    webhooks: webhooks::Args,
}

/// What [`Args`] and an [`Environment`] say.
#[derive(Debug)]
pub struct Settings {
    /// Where to listen.
    pub address: SocketAddr,
    /// The key that callers must send.
    pub key: Option<ApiKey>,
    /// How events are delivered.
    pub delivery: DeliverySettings,
    open_paths: Vec<String>,
    browsers: BrowserRules,
    limits: ConnectionLimits,
    docs: Docs,
    worker: Option<String>,
}

impl Args {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Names the first flag or variable that is invalid.
    pub fn read(&self, environment: &Environment) -> Result<Settings, SettingError> {
        let address = listen::address(self.listen.as_deref(), environment)?;
        let key = self.key(environment)?;
        if key.is_none() && !address.ip().is_loopback() {
            let problem = format!(
                "{address} can be reached from other machines, which needs --api-key KEY (or \
                 WAHA_API_KEY); or listen on 127.0.0.1"
            );
            let name = if self.listen.is_some() { "--listen" } else { "WHATSAPP_API_HOSTNAME" };
            return Err(SettingError::new(name, problem));
        }
        let mut limits = ConnectionLimits::default();
        if let Some(most) = self.max_connections.and_then(|most| usize::try_from(most).ok()) {
            limits.connections = most;
            limits.per_address = limits.per_address.max(most);
        }
        Ok(Settings {
            address,
            key,
            delivery: self.webhooks.delivery(environment)?,
            open_paths: self.open_paths(environment),
            browsers: self.browsers(environment)?,
            limits,
            docs: self.docs(environment)?,
            worker: environment.text("WAHA_WORKER_ID").map(str::to_owned),
        })
    }

    fn key(&self, environment: &Environment) -> Result<Option<ApiKey>, SettingError> {
        let flag = self.api_key.as_deref().filter(|key| !key.is_empty());
        let variable = environment.first(&["WAHA_API_KEY", "WHATSAPP_API_KEY"]);
        let Some((name, key)) = flag.map(|key| ("--api-key", key)).or(variable) else {
            return Ok(None);
        };
        ApiKey::parse(key).map(Some).map_err(|error| SettingError::new(name, error))
    }

    fn open_paths(&self, environment: &Environment) -> Vec<String> {
        let mut paths = self.api_key_exclude.clone();
        for name in ["WAHA_API_KEY_EXCLUDE_PATH", "WHATSAPP_API_KEY_EXCLUDE_PATH"] {
            paths.extend(environment.list(name));
        }
        paths
    }

    fn browsers(&self, environment: &Environment) -> Result<BrowserRules, SettingError> {
        let of = |flag: &'static str, given: &[String], name: &'static str| match given {
            [] => (name, environment.list(name)),
            given => (flag, given.to_vec()),
        };
        let (host_source, hosts) = of("--allow-host", &self.allow_host, "WAHA_ALLOW_HOST");
        let (origin_source, origins) =
            of("--allow-origin", &self.allow_origin, "WAHA_ALLOW_ORIGIN");
        let hosts = BrowserRules::parse(hosts, [])
            .map_err(|error| SettingError::new(host_source, error))?
            .hosts;
        let origins = BrowserRules::parse([], origins)
            .map_err(|error| SettingError::new(origin_source, error))?
            .origins;
        Ok(BrowserRules { hosts, origins })
    }

    fn docs(&self, environment: &Environment) -> Result<Docs, SettingError> {
        if self.no_docs || environment.boolean("WHATSAPP_SWAGGER_ENABLED")? == Some(false) {
            return Ok(Docs::Off);
        }
        let [user, password] = ["WHATSAPP_SWAGGER_USERNAME", "WHATSAPP_SWAGGER_PASSWORD"];
        match (environment.text(user), environment.text(password)) {
            (None, None) => Ok(Docs::Open),
            (Some(user), Some(password)) => {
                Ok(Docs::Locked { user: user.to_owned(), password: password.to_owned() })
            }
            (Some(_), None) => Err(SettingError::new(user, format!("needs {password} as well"))),
            (None, Some(_)) => Err(SettingError::new(password, format!("needs {user} as well"))),
        }
    }
}

impl Settings {
    /// Gives a gateway these settings.
    #[must_use]
    pub fn apply(self, mut gateway: GatewayBuilder) -> GatewayBuilder {
        if let Some(key) = self.key {
            gateway = gateway.api_key(key);
        }
        if let Some(worker) = self.worker {
            gateway = gateway.worker_id(worker);
        }
        gateway
            .open_paths(self.open_paths)
            .browsers(self.browsers)
            .connection_limits(self.limits)
            .docs(self.docs)
            .delivery(self.delivery)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{Args, Settings};
    use crate::environment::Environment;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        server: Args,
    }

    fn read(flags: &[&str], variables: &[(&str, &str)]) -> Result<Settings, String> {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let environment: Environment = owned.collect();
        let cli = Cli::parse_from(["server"].iter().chain(flags));
        cli.server.read(&environment).map_err(|error| error.to_string())
    }

    #[test]
    fn either_variable_and_the_flag_lock_the_server_and_the_flag_goes_first() {
        for (flags, variables, key) in [
            (&[][..], &[("WHATSAPP_API_KEY", "a")][..], "a"),
            (&[], &[("WHATSAPP_API_KEY", "a"), ("WAHA_API_KEY", "b")], "b"),
            (&["--api-key", "c"], &[("WAHA_API_KEY", "b")], "c"),
        ] {
            assert!(read(flags, variables).unwrap().key.unwrap().admits(key), "{key}");
        }
        assert!(read(&[], &[("WAHA_API_KEY", " ")]).unwrap().key.is_none());
    }

    #[test]
    fn an_invalid_value_is_reported_under_the_name_that_it_was_given() {
        for (flags, variables, expected) in [
            (
                &[][..],
                &[("WHATSAPP_API_HOSTNAME", "0.0.0.0")][..],
                "WHATSAPP_API_HOSTNAME: 0.0.0.0:3000 can be reached from other machines",
            ),
            (&["--listen", "0.0.0.0:1"], &[], "--listen: 0.0.0.0:1 can be reached"),
            (&[], &[("WHATSAPP_API_KEY", "sha512:1")], "WHATSAPP_API_KEY: "),
            (&["--api-key", "sha512:1"], &[], "--api-key: "),
            (
                &[],
                &[("WHATSAPP_SWAGGER_ENABLED", "maybe")],
                "WHATSAPP_SWAGGER_ENABLED: expected true",
            ),
            (
                &[],
                &[("WHATSAPP_SWAGGER_PASSWORD", "x")],
                "WHATSAPP_SWAGGER_PASSWORD: needs WHATSAPP_SWAGGER_USERNAME as well",
            ),
            (&[], &[("WAHA_ALLOW_ORIGIN", "app")], "WAHA_ALLOW_ORIGIN: expected an origin"),
            (
                &["--allow-host", "a:1"],
                &[("WAHA_ALLOW_HOST", "b")],
                "--allow-host: expected a host name",
            ),
            (&[], &[("WHATSAPP_HOOK_URL", "nowhere")], "WHATSAPP_HOOK_URL: "),
            (&["--webhook", "nowhere"], &[], "--webhook: "),
            (&["--webhook-events", "*"], &[], "--webhook-events: there is no --webhook"),
            (
                &[],
                &[
                    ("WHATSAPP_HOOK_URL", "http://127.0.0.1:1"),
                    ("WHATSAPP_HOOK_RETRIES_POLICY", "never"),
                ],
                "WHATSAPP_HOOK_RETRIES_POLICY: ",
            ),
        ] {
            let error = read(flags, variables).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_variable_without_a_url_for_it_is_warned_about_and_one_with_it_is_applied() {
        let hook =
            [("WHATSAPP_HOOK_URL", "http://127.0.0.1:1/"), ("WHATSAPP_HOOK_EVENTS", "message")];
        let settings = read(&[], &hook).unwrap();
        assert_eq!(settings.delivery.global_webhooks.len(), 1);
        let settings = read(&["--webhook", "http://127.0.0.1:2/"], &hook).unwrap();
        let urls: Vec<&str> =
            settings.delivery.global_webhooks.iter().map(|hook| hook.url()).collect();
        assert_eq!(urls, ["http://127.0.0.1:2/"]);
        assert!(!settings.delivery.global_webhooks[0].wants("presence.update"));
    }
}
