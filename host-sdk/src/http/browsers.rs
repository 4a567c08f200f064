//! What web pages may do with a server: which `Host` and `Origin` are accepted, and CORS.
//!
//! A page that a person opens elsewhere can send requests to a server on their own machine, and a name
//! that its owner points at 127.0.0.1 (*DNS rebinding*) makes such requests look like the page's own.
//! Without an API key nothing else would stop them, so a server without a key refuses what a browser says
//! comes from a foreign page. With a key a page can do nothing unless it knows the key, and every origin
//! is accepted, as in WAHA. Programs that are not browsers send none of these headers and are not
//! affected.
//!
//! | | without a key | with a key |
//! |---|---|---|
//! | `Host` | loopback, or in [`BrowserRules::hosts`] | any, unless `hosts` is set |
//! | `Origin` | the server's own, loopback, or in [`BrowserRules::origins`] | any, unless `origins` is set |
//! | `Sec-Fetch-Site: cross-site` | only with an accepted `Origin` | accepted, unless `origins` is set |
//!
//! Sources: [Fetch, section 3.3](https://fetch.spec.whatwg.org/#http-cors-protocol),
//! [Fetch Metadata](https://www.w3.org/TR/fetch-metadata/), RFC 6454.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::error::HttpError;

/// The methods that a preflight answer names, as WAHA does.
const METHODS: HeaderValue = HeaderValue::from_static("GET,HEAD,PUT,PATCH,POST,DELETE");

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

/// Which hosts and origins a server accepts beyond its defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrowserRules {
    /// Names that clients may call the server by, without a port: `waha.example.com`,
    /// `*.example.com` or `*`.
    pub hosts: Vec<String>,
    /// Origins of pages that may use the server: `https://app.example.com` or `*`.
    pub origins: Vec<String>,
}

/// A value for [`BrowserRules`] that is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrowserRuleError {
    /// It is not a host name.
    #[error(
        "expected a host name without a port, such as waha.example.com or *.example.com, found {0:?}"
    )]
    Host(String),
    /// It is not an origin.
    #[error(
        "expected an origin such as https://app.example.com or http://localhost:5173, or *, found {0:?}"
    )]
    Origin(String),
}

impl BrowserRules {
    /// Checks lists as a person writes them.
    ///
    /// # Errors
    ///
    /// When an entry is not a host name, or not an origin.
    pub fn parse(
        hosts: impl IntoIterator<Item = String>,
        origins: impl IntoIterator<Item = String>,
    ) -> Result<Self, BrowserRuleError> {
        let hosts = hosts.into_iter().map(|host| {
            let bare = host.strip_prefix("*.").unwrap_or(&host);
            let is_name = bare.parse::<Authority>().is_ok_and(|it| it.as_str() == it.host());
            if bare == "*" || is_name {
                Ok(host.to_ascii_lowercase())
            } else {
                Err(BrowserRuleError::Host(host))
            }
        });
        let origins = origins.into_iter().map(|origin| {
            let bare = origin.trim_end_matches('/');
            if bare == "*" || host_of_origin(bare).is_some() {
                Ok(bare.to_ascii_lowercase())
            } else {
                Err(BrowserRuleError::Origin(origin))
            }
        });
        Ok(Self {
            hosts: hosts.collect::<Result<_, _>>()?,
            origins: origins.collect::<Result<_, _>>()?,
        })
    }

    fn judge(&self, has_key: bool, request: &Said<'_>) -> Result<(), Refused> {
        let any_host = has_key && self.hosts.is_empty();
        if let Some(host) = request.host.filter(|host| !any_host && !self.allows_host(host)) {
            return Err(Refused::Host(host.to_owned()));
        }
        if has_key && self.origins.is_empty() {
            return Ok(());
        }
        match request.origin {
            Some(origin) if self.allows_origin(origin, request.authority) => Ok(()),
            Some(origin) => Err(Refused::Origin(origin.to_owned())),
            None if request.fetch_site == Some("cross-site") && !self.allows_all_origins() => {
                Err(Refused::CrossSite)
            }
            None => Ok(()),
        }
    }

    fn allows_host(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        is_loopback(&host)
            || self.hosts.iter().any(|allowed| match allowed.strip_prefix('*') {
                Some(suffix) => host.ends_with(suffix),
                None => *allowed == host,
            })
    }

    fn allows_origin(&self, origin: &str, authority: Option<&str>) -> bool {
        let own = origin.split_once("://").map(|(_, own)| own);
        self.allows_all_origins()
            || host_of_origin(origin).is_some_and(|host| is_loopback(&host))
            || (own.is_some() && own == authority)
            || self.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }

    fn allows_all_origins(&self) -> bool {
        self.origins.iter().any(|origin| origin == "*")
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error(
        "the host {0:?} is not one of this server's names; allow it with --allow-host \
         (WAHA_ALLOW_HOST), or set an API key"
    )]
    Host(String),
    #[error(
        "pages of the origin {0:?} may not use this server; allow it with --allow-origin \
         (WAHA_ALLOW_ORIGIN), or set an API key"
    )]
    Origin(String),
    #[error(
        "pages of other sites may not use this server; allow their origin with --allow-origin \
         (WAHA_ALLOW_ORIGIN), or set an API key"
    )]
    CrossSite,
}

/// What a request says about where it comes from and whom it is for.
#[derive(Debug, Default)]
struct Said<'a> {
    /// Host and port.
    authority: Option<&'a str>,
    host: Option<&'a str>,
    origin: Option<&'a str>,
    fetch_site: Option<&'a str>,
}

impl<'a> Said<'a> {
    fn of(uri: &'a Uri, headers: &'a HeaderMap) -> Self {
        // A value that is not text matches nothing that is allowed.
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"));
        // The authority of an absolute target goes before the header: RFC 9112, section 3.2.2.
        let authority = uri.authority().map(Authority::as_str).or(text(header::HOST));
        Self {
            authority,
            host: authority.map(without_port),
            origin: text(header::ORIGIN),
            fetch_site: text(SEC_FETCH_SITE),
        }
    }
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// `localhost`, a name below it (RFC 6761, section 6.3), or a loopback address. An address cannot
/// be rebound, for a browser resolves names only.
fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost"
        || host.ends_with(".localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn host_of_origin(origin: &str) -> Option<String> {
    let uri: Uri = origin.parse().ok()?;
    let is_origin = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.path() == "/"
        && uri.query().is_none()
        && !origin.ends_with('/');
    let authority = uri.authority().filter(|it| is_origin && !it.as_str().contains('@'))?;
    Some(authority.host().to_ascii_lowercase())
}

/// The rules of one server.
#[derive(Debug, Clone)]
pub(crate) struct Browsers {
    rules: Arc<BrowserRules>,
    has_key: bool,
}

impl Browsers {
    pub(crate) fn new(rules: BrowserRules, has_key: bool) -> Self {
        Self { rules: Arc::new(rules), has_key }
    }

    /// Whether answers differ by the origin that asks.
    fn tells_origins_apart(&self) -> bool {
        let accepts_all = self.has_key && self.rules.origins.is_empty();
        !(accepts_all || self.rules.allows_all_origins())
    }
}

/// Refuses what a foreign page asks with 403, answers `OPTIONS` with 204, and says in every other
/// answer which pages may read it.
pub(crate) async fn check(
    State(browsers): State<Browsers>,
    request: Request,
    next: Next,
) -> Response {
    let said = Said::of(request.uri(), request.headers());
    if let Err(refused) = browsers.rules.judge(browsers.has_key, &said) {
        return HttpError::new(StatusCode::FORBIDDEN, refused.to_string()).into_response();
    }
    let has_origin = request.headers().contains_key(header::ORIGIN);
    let mut answer = if request.method() == Method::OPTIONS {
        preflight(request.headers())
    } else {
        next.run(request).await
    };
    let headers = answer.headers_mut();
    if browsers.tells_origins_apart() {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
    // WAHA says `*`; a page that may not read the answer was refused above.
    if has_origin || !browsers.tells_origins_apart() {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    answer
}

fn preflight(asked: &HeaderMap) -> Response {
    let mut answer = StatusCode::NO_CONTENT.into_response();
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
    if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    if asked.contains_key(REQUEST_PRIVATE_NETWORK) {
        headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
    answer
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};

    use super::{BrowserRules, Said};

    const FOREIGN: &str = "https://evil.example";

    fn judge(rules: &BrowserRules, key: bool, headers: &[(&'static str, &str)]) -> String {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let headers: HeaderMap = headers.iter().map(header).collect();
        let uri = Uri::from_static("/api/sessions");
        match rules.judge(key, &Said::of(&uri, &headers)) {
            Ok(()) => "accepted".to_owned(),
            Err(refused) => format!("{refused:?}"),
        }
    }

    #[test]
    fn a_server_without_a_key_accepts_its_own_names_and_pages_only() {
        let rules = BrowserRules::default();
        for (headers, expected) in [
            (&[][..], "accepted"),
            (&[("host", "localhost:3000")], "accepted"),
            (&[("host", "LOCALHOST.")], "accepted"),
            (&[("host", "waha.localhost")], "accepted"),
            (&[("host", "127.0.0.1:3000")], "accepted"),
            (&[("host", "[::1]:3000")], "accepted"),
            (&[("host", "evil.example:3000")], r#"Host("evil.example")"#),
            (&[("host", "localhost.evil.example")], r#"Host("localhost.evil.example")"#),
            (&[("host", "127.0.0.1.evil.example")], r#"Host("127.0.0.1.evil.example")"#),
            (&[("host", "notlocalhost")], r#"Host("notlocalhost")"#),
            (&[("host", "10.0.0.1")], r#"Host("10.0.0.1")"#),
            (&[("host", "")], r#"Host("")"#),
            (&[("host", "localhost"), ("origin", "http://localhost:5173")], "accepted"),
            (
                &[
                    ("host", "127.0.0.1"),
                    ("origin", "http://localhost:5173"),
                    ("sec-fetch-site", "cross-site"),
                ],
                "accepted",
            ),
            (&[("host", "localhost"), ("origin", FOREIGN)], r#"Origin("https://evil.example")"#),
            (&[("host", "localhost"), ("origin", "null")], r#"Origin("null")"#),
            (
                &[("host", "localhost"), ("origin", "http://localhost.evil.example")],
                r#"Origin("http://localhost.evil.example")"#,
            ),
            (
                &[("host", "localhost"), ("origin", "http://localhost@evil.example")],
                r#"Origin("http://localhost@evil.example")"#,
            ),
            (&[("host", "localhost"), ("sec-fetch-site", "cross-site")], "CrossSite"),
            (&[("host", "localhost"), ("sec-fetch-site", "same-origin")], "accepted"),
            (&[("host", "localhost"), ("sec-fetch-site", "none")], "accepted"),
        ] {
            assert_eq!(judge(&rules, false, headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_server_with_a_key_accepts_all_unless_its_rules_name_some() {
        let foreign =
            [("host", "other.example"), ("origin", FOREIGN), ("sec-fetch-site", "cross-site")];
        assert_eq!(judge(&BrowserRules::default(), true, &foreign), "accepted");
        let hosts = BrowserRules::parse(["waha.example".to_owned()], []).unwrap();
        assert_eq!(judge(&hosts, true, &foreign), r#"Host("other.example")"#);
        let origins = BrowserRules::parse([], ["https://app.example".to_owned()]).unwrap();
        assert_eq!(judge(&origins, true, &foreign), r#"Origin("https://evil.example")"#);
        assert_eq!(judge(&origins, true, &foreign[..1]), "accepted");
        assert_eq!(judge(&origins, true, &[("sec-fetch-site", "cross-site")]), "CrossSite");
    }

    #[test]
    fn what_is_allowed_is_accepted() {
        let list = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect::<Vec<_>>();
        let rules = BrowserRules::parse(
            list(&["waha.example", "*.lan"]),
            list(&["https://app.example/", "http://app.example:81"]),
        )
        .unwrap();
        for (host, origin, expected) in [
            ("waha.example:80", "https://app.example", "accepted"),
            ("WAHA.example", "https://APP.example", "accepted"),
            ("pi.lan", "http://app.example:81", "accepted"),
            ("pi.lan", "http://pi.lan", "accepted"),
            ("lan", "http://lan", r#"Host("lan")"#),
            ("pi.lan", "http://app.example", r#"Origin("http://app.example")"#),
            ("a.waha.example", "https://app.example", r#"Host("a.waha.example")"#),
        ] {
            let headers = [("host", host), ("origin", origin), ("sec-fetch-site", "cross-site")];
            assert_eq!(judge(&rules, false, &headers), expected, "{host} {origin}");
        }
        let all = BrowserRules::parse(list(&["*"]), list(&["*"])).unwrap();
        for headers in
            [&[("host", "a"), ("origin", "null")][..], &[("sec-fetch-site", "cross-site")]]
        {
            assert_eq!(judge(&all, false, headers), "accepted");
        }
    }

    #[test]
    fn an_invalid_rule_is_refused_with_what_would_be_valid() {
        let error = |host: &str, origin: &str| {
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            BrowserRules::parse(some(host), some(origin)).unwrap_err().to_string()
        };
        insta::assert_snapshot!(
            [error("a:80", ""), error("http://a", ""), error("", "app.example"), error("", "http://a/b")].join("\n"),
            @r#"
        expected a host name without a port, such as waha.example.com or *.example.com, found "a:80"
        expected a host name without a port, such as waha.example.com or *.example.com, found "http://a"
        expected an origin such as https://app.example.com or http://localhost:5173, or *, found "app.example"
        expected an origin such as https://app.example.com or http://localhost:5173, or *, found "http://a/b"
        "#
        );
    }
}
