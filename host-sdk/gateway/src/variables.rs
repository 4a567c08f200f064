//! WAHA's environment variables, and what each does here.
//!
//! Names and groups are those of WAHA's configuration page
//! (<https://waha.devlike.pro/docs/how-to/config>).

use std::fmt::Write as _;

/// A variable of WAHA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Whether it is honoured.
    pub effect: Effect,
}

/// What a variable does here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It works as in WAHA; the text says what it sets.
    Honoured(&'static str),
    /// It is accepted with a warning; the text says why.
    Without(&'static str),
}

use Effect::{Honoured, Without};

const MEDIA: &str = "media files are not handled";
const STORAGE: &str = "sessions are not stored in a database";
const PROXY: &str = "the engine connects directly";
const SWAGGER: &str = "the API page has a fixed look";
const DASHBOARD: &str = "there is no WAHA dashboard";
const HTTPS: &str = "put a reverse proxy in front for HTTPS";
const BROWSER: &str = "no browser engine runs here";
const APPS: &str = "there are no apps";
const IGNORE: &str = "set `config.ignore` of each session";
const HEALTH: &str = "`GET /health` checks plugins and webhooks only";
const PRESENCE: &str = "the account's own presence changes only by `POST /api/{session}/presence`";

/// Every variable of WAHA that is known here, by the headings of its configuration page.
pub const VARIABLES: &[(&str, &[Variable])] = &[
    (
        "Common",
        &[
            honoured("WHATSAPP_API_PORT", "port to listen on (`--listen`)"),
            honoured("PORT", "the same; it has precedence, as in WAHA"),
            honoured("WHATSAPP_API_HOSTNAME", "host name or address to listen on (`--listen`)"),
            ignored("WHATSAPP_API_SCHEMA", MEDIA),
            ignored("WAHA_BASE_URL", MEDIA),
            ignored("WAHA_PUBLIC_URL", DASHBOARD),
            ignored("WAHA_DEBUG_MODE", "there are no debugging endpoints"),
            ignored("WAHA_CLIENT_DEVICE_NAME", "the engine names the device"),
            ignored("WAHA_CLIENT_BROWSER_NAME", "the engine names the browser"),
            ignored("WAHA_HTTP_STRICT_MODE", "requests are always checked strictly"),
        ],
    ),
    (
        "Logging",
        &[
            honoured("WAHA_LOG_LEVEL", "`error`, `warn`, `info`, `debug` or `trace`"),
            honoured("WAHA_LOG_FORMAT", "`PRETTY` or `JSON` (`--log-format`)"),
            honoured("DEBUG", "`1` or `true` is `WAHA_LOG_LEVEL=debug`, and overrides it"),
            ignored("WAHA_HTTP_LOG_LEVEL", "requests are not logged"),
        ],
    ),
    (
        "Security",
        &[
            honoured("WAHA_API_KEY", "key that callers must send (`--api-key`)"),
            honoured("WHATSAPP_API_KEY", "the same, where `WAHA_API_KEY` is not set"),
            honoured(
                "WHATSAPP_API_KEY_EXCLUDE_PATH",
                "paths that need no key, separated by commas (`--api-key-exclude`)",
            ),
            honoured("WAHA_API_KEY_EXCLUDE_PATH", "the same"),
            honoured(
                "WAHA_ALLOW_HOST",
                "ours: names that the server may be called by (`--allow-host`)",
            ),
            honoured(
                "WAHA_ALLOW_ORIGIN",
                "ours: origins of pages that may use it (`--allow-origin`)",
            ),
            ignored("WAHA_NO_API_KEY", "without `WAHA_API_KEY` no key is asked for"),
            ignored("WAHA_HTTPS_ENABLED", HTTPS),
            ignored("WAHA_HTTPS_PATH_KEY", HTTPS),
            ignored("WAHA_HTTPS_PATH_CERT", HTTPS),
            ignored("WAHA_HTTPS_PATH_CA", HTTPS),
        ],
    ),
    (
        "Sessions",
        &[
            honoured(
                "WHATSAPP_START_SESSION",
                "sessions to start, separated by commas (`--session`)",
            ),
            honoured(
                "WHATSAPP_RESTART_ALL_SESSIONS",
                "sessions start with the server, whatever it says",
            ),
            honoured("WAHA_WORKER_ID", "`worker.id` of `GET /api/server/status`"),
            ignored("WAHA_SESSION_CONFIG_IGNORE_STATUS", IGNORE),
            ignored("WAHA_SESSION_CONFIG_IGNORE_GROUPS", IGNORE),
            ignored("WAHA_SESSION_CONFIG_IGNORE_CHANNELS", IGNORE),
            honoured(
                "WAHA_SESSION_CONFIG_IGNORE_BROADCAST",
                "default of `config.ignore.broadcast`",
            ),
            ignored("WHATSAPP_DEFAULT_SESSION_NAME", "name sessions with `WHATSAPP_START_SESSION`"),
            ignored("WAHA_AUTO_START_DELAY_SECONDS", "sessions start at once"),
            ignored("WAHA_WORKER_RESTART_SESSIONS", STORAGE),
            ignored("WAHA_PRINT_QR", "QR codes are not printed"),
            ignored("WAHA_ZIPPER", STORAGE),
            ignored("WAHA_LOCAL_STORE_BASE_DIR", STORAGE),
            ignored("WHATSAPP_SESSIONS_POSTGRESQL_URL", STORAGE),
            ignored("WHATSAPP_SESSIONS_MONGO_URL", STORAGE),
        ],
    ),
    (
        "Engines",
        &[
            honoured("WHATSAPP_DEFAULT_ENGINE", "engine of the sessions (`--engine`)"),
            ignored("WAHA_WEBJS_WEB_VERSION", BROWSER),
            ignored("WAHA_WEBJS_CACHE_TYPE", BROWSER),
            ignored("WAHA_WEBJS_PUPPETER_ARGS", BROWSER),
            ignored("WAHA_WEBJS_CONFIG_TAG_EVENTS_ON", BROWSER),
            ignored("WAHA_GOWS_PATH", "the engine GOWS is not run"),
            ignored("WAHA_GOWS_SOCKET", "the engine GOWS is not run"),
        ],
    ),
    (
        "Webhooks",
        &[
            honoured("WHATSAPP_HOOK_URL", "where events are posted (`--webhook`)"),
            honoured("WHATSAPP_HOOK_EVENTS", "which events (`--webhook-events`)"),
            honoured("WHATSAPP_HOOK_HMAC_KEY", "key of the signature"),
            honoured("WHATSAPP_HOOK_RETRIES_POLICY", "`constant`, `linear` or `exponential`"),
            honoured("WHATSAPP_HOOK_RETRIES_DELAY_SECONDS", "delay between attempts"),
            honoured("WHATSAPP_HOOK_RETRIES_ATTEMPTS", "requests per event"),
            honoured("WHATSAPP_HOOK_CUSTOM_HEADERS", "`Name:Value;Name:Value`"),
            ignored("WAHA_WEBHOOKS", "one global webhook is read: `WHATSAPP_HOOK_URL`"),
        ],
    ),
    (
        "Presence",
        &[
            ignored("WAHA_PRESENCE_AUTO_ONLINE", PRESENCE),
            ignored("WAHA_PRESENCE_AUTO_ONLINE_DURATION_SECONDS", PRESENCE),
        ],
    ),
    (
        "Dashboard",
        &[
            ignored("WAHA_DASHBOARD_ENABLED", DASHBOARD),
            ignored("WAHA_DASHBOARD_USERNAME", DASHBOARD),
            ignored("WAHA_DASHBOARD_PASSWORD", DASHBOARD),
            ignored("WAHA_DASHBOARD_NO_PASSWORD", DASHBOARD),
        ],
    ),
    (
        "Swagger",
        &[
            honoured("WHATSAPP_SWAGGER_ENABLED", "`false` takes `/docs` away (`--no-docs`)"),
            honoured("WHATSAPP_SWAGGER_USERNAME", "user name that `/docs` asks for"),
            honoured("WHATSAPP_SWAGGER_PASSWORD", "password that `/docs` asks for"),
            ignored("WHATSAPP_SWAGGER_NO_PASSWORD", "without a password none is asked for"),
            ignored("WHATSAPP_SWAGGER_CONFIG_ADVANCED", SWAGGER),
            ignored("WHATSAPP_SWAGGER_TITLE", SWAGGER),
            ignored("WHATSAPP_SWAGGER_DESCRIPTION", SWAGGER),
            ignored("WHATSAPP_SWAGGER_EXTERNAL_DOC_URL", SWAGGER),
            ignored("WHATSAPP_SWAGGER_VIDEO_EXAMPLE_URL", SWAGGER),
            ignored("WHATSAPP_SWAGGER_OPUS_EXAMPLE_URL", SWAGGER),
            ignored("WHATSAPP_SWAGGER_JPG_EXAMPLE_URL", SWAGGER),
        ],
    ),
    (
        "Proxy, files, health and apps",
        &[
            ignored("WHATSAPP_PROXY_SERVER", PROXY),
            ignored("WHATSAPP_PROXY_SERVER_USERNAME", PROXY),
            ignored("WHATSAPP_PROXY_SERVER_PASSWORD", PROXY),
            ignored("WHATSAPP_PROXY_SERVER_LIST", PROXY),
            ignored("WHATSAPP_PROXY_SERVER_INDEX_PREFIX", PROXY),
            ignored("WHATSAPP_DOWNLOAD_MEDIA", MEDIA),
            ignored("WHATSAPP_FILES_MIMETYPES", MEDIA),
            ignored("WHATSAPP_FILES_LIFETIME", MEDIA),
            ignored("WHATSAPP_FILES_FOLDER", MEDIA),
            ignored("WAHA_MEDIA_STORAGE", MEDIA),
            ignored("WAHA_MEDIA_POSTGRESQL_URL", MEDIA),
            ignored("WAHA_S3_REGION", MEDIA),
            ignored("WAHA_S3_BUCKET", MEDIA),
            ignored("WAHA_S3_ACCESS_KEY_ID", MEDIA),
            ignored("WAHA_S3_SECRET_ACCESS_KEY", MEDIA),
            ignored("WAHA_S3_ENDPOINT", MEDIA),
            ignored("WAHA_S3_FORCE_PATH_STYLE", MEDIA),
            ignored("WAHA_S3_PROXY_FILES", MEDIA),
            ignored("WHATSAPP_HEALTH_MEDIA_FILES_THRESHOLD_MB", HEALTH),
            ignored("WHATSAPP_HEALTH_SESSION_FILES_THRESHOLD_MB", HEALTH),
            ignored("WHATSAPP_HEALTH_MONGO_TIMEOUT_MS", HEALTH),
            ignored("WAHA_APPS_ENABLED", APPS),
            ignored("WAHA_APPS_ON", APPS),
            ignored("WAHA_APPS_OFF", APPS),
        ],
    ),
];

const fn honoured(name: &'static str, what: &'static str) -> Variable {
    Variable { name, effect: Honoured(what) }
}

const fn ignored(name: &'static str, why: &'static str) -> Variable {
    Variable { name, effect: Without(why) }
}

fn all() -> impl Iterator<Item = &'static Variable> {
    VARIABLES.iter().flat_map(|(_, variables)| *variables)
}

/// Checks the environment's names against [`VARIABLES`]: a warning for each variable that is set and
/// has no effect, and for each `WAHA_…` or `WHATSAPP_…` that WAHA does not know either.
pub(crate) fn warnings<'a>(set: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<&str> = set.collect();
    names.sort_unstable();
    names.iter().filter_map(|name| warning(name)).collect()
}

fn warning(name: &str) -> Option<String> {
    match all().find(|variable| variable.name == name).map(|variable| variable.effect) {
        Some(Honoured(_)) => None,
        Some(Without(why)) => Some(format!("{name} has no effect here: {why}")),
        None if !name.starts_with("WAHA_") && !name.starts_with("WHATSAPP_") => None,
        None => {
            let distance = |known: &Variable| strsim::damerau_levenshtein(known.name, name);
            let nearest = all().min_by_key(|known| distance(known));
            let nearest = nearest.filter(|known| distance(known) <= 4 && name.len() > 8);
            let hint = nearest.map(|known| format!("; did you mean {}?", known.name));
            Some(format!("{name} is not a known variable{}", hint.unwrap_or_default()))
        }
    }
}

/// [`VARIABLES`] as a Markdown table, for READMEs.
#[must_use]
pub fn markdown() -> String {
    let mut table = String::from("| variable | effect |\n|---|---|\n");
    for (group, variables) in VARIABLES {
        let _ = writeln!(table, "| **{group}** | |");
        for variable in *variables {
            let effect = match variable.effect {
                Honoured(what) => what.to_owned(),
                Without(why) => format!("none: {why}"),
            };
            let _ = writeln!(table, "| `{}` | {effect} |", variable.name);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{all, markdown, warnings};

    /// After a change of the table: copy what the failure shows into README.md.
    #[test]
    fn the_readme_has_the_table() {
        let table = markdown();
        assert!(
            include_str!("../README.md").contains(&table),
            "README.md lacks this table:\n{table}"
        );
    }

    #[test]
    fn a_variable_without_effect_and_an_unknown_one_are_warned_about_and_others_are_not() {
        let set = ["PATH", "WHATSAPP_HOOK_URLS", "WAHA_API_KEY", "TZ", "WAHA_S3_BUCKET", "WAHA_X"];
        assert_eq!(
            warnings(set.into_iter()),
            [
                "WAHA_S3_BUCKET has no effect here: media files are not handled",
                "WAHA_X is not a known variable",
                "WHATSAPP_HOOK_URLS is not a known variable; did you mean WHATSAPP_HOOK_URL?",
            ]
        );
    }

    #[test]
    fn each_variable_is_listed_once() {
        let mut names: Vec<&str> = all().map(|variable| variable.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
