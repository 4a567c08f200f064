//! Where to listen: `--listen`, or WAHA's host name and port.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use crate::environment::{Environment, SettingError};

/// The port that WAHA listens on.
const PORT: u16 = 3000;

/// Resolves the address to listen on: `flag` is `HOST:PORT`, `:PORT` or `PORT`; without it the
/// variables `PORT`, `WHATSAPP_API_PORT` and `WHATSAPP_API_HOSTNAME` say so, and 127.0.0.1:3000 is
/// the default.
///
/// # Errors
///
/// When the flag or one of the variables does not name an address of this machine.
pub(crate) fn address(
    flag: Option<&str>,
    environment: &Environment,
) -> Result<SocketAddr, SettingError> {
    if let Some(text) = flag {
        return from_flag(text);
    }
    let port = match environment.first(&["PORT", "WHATSAPP_API_PORT"]) {
        Some((name, _)) => environment.parse(name, "a port from 0 to 65535")?.unwrap_or(PORT),
        None => PORT,
    };
    let name = "WHATSAPP_API_HOSTNAME";
    let host = environment.text(name).unwrap_or("127.0.0.1");
    resolve(host, port).ok_or_else(|| {
        SettingError::new(name, format!("expected a host name or an address, found {host:?}"))
    })
}

fn from_flag(text: &str) -> Result<SocketAddr, SettingError> {
    let (host, port) = match text.rsplit_once(':') {
        Some(("", port)) => ("127.0.0.1", port),
        Some((host, port)) => (host, port),
        None => ("127.0.0.1", text),
    };
    port.parse().ok().and_then(|port| resolve(host, port)).ok_or_else(|| {
        let problem = format!("expected HOST:PORT such as 127.0.0.1:3000, or PORT, found {text:?}");
        SettingError::new("--listen", problem)
    })
}

fn resolve(host: &str, port: u16) -> Option<SocketAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(host).parse::<Ipv6Addr>() {
        return Some(SocketAddr::new(IpAddr::V6(address), port));
    }
    // A name may have addresses of both families; most clients try IPv4 first for localhost.
    let found: Vec<SocketAddr> = (host, port).to_socket_addrs().ok()?.collect();
    found.iter().find(|address| address.is_ipv4()).or(found.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::address;
    use crate::environment::Environment;

    fn listen(flag: Option<&str>, variables: &[(&str, &str)]) -> Result<String, String> {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let environment: Environment = owned.collect();
        address(flag, &environment).map(|it| it.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_flag_goes_before_the_variables_and_port_before_wahas() {
        let both = [("PORT", "1"), ("WHATSAPP_API_PORT", "2"), ("WHATSAPP_API_HOSTNAME", "::1")];
        for (flag, variables, expected) in [
            (None, &[][..], "127.0.0.1:3000"),
            (None, &both[..], "[::1]:1"),
            (None, &both[1..2], "127.0.0.1:2"),
            (Some("127.0.0.2:0"), &both[..], "127.0.0.2:0"),
            (Some(":3001"), &both[..], "127.0.0.1:3001"),
            (Some("3001"), &[], "127.0.0.1:3001"),
            (Some("[::1]:80"), &[], "[::1]:80"),
        ] {
            assert_eq!(listen(flag, variables).as_deref(), Ok(expected), "{flag:?} {variables:?}");
        }
    }

    #[test]
    fn an_invalid_value_is_named_with_the_variable_that_has_it() {
        let error = |variables| listen(None, variables).unwrap_err();
        assert_eq!(
            error(&[("PORT", "99999")]),
            "PORT: expected a port from 0 to 65535, found \"99999\""
        );
        assert_eq!(
            error(&[("WHATSAPP_API_PORT", "x")]),
            "WHATSAPP_API_PORT: expected a port from 0 to 65535, found \"x\""
        );
        assert_eq!(
            listen(Some("a b:1"), &[]).unwrap_err(),
            "--listen: expected HOST:PORT such as 127.0.0.1:3000, or PORT, found \"a b:1\""
        );
    }
}
