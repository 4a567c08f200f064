//! Where requests of ours may go, checked on every address at every connect.
//!
//! A name is resolved for each connection and what it resolves to is checked then, so that a name
//! that changes its address does not get through.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

/// Which addresses may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Egress {
    /// All but link-local, metadata, multicast and unspecified ones.
    #[default]
    Open,
    /// Addresses of the public Internet only: private and loopback ones are refused too.
    Strict,
}

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {kind}, where requests may not go")]
pub struct Refused {
    /// The address.
    pub address: IpAddr,
    /// What it is.
    pub kind: &'static str,
}

/// The metadata services of AWS and Google Cloud over IPv6; the others' are link-local.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254),
];

/// The metadata services that are not link-local: Alibaba Cloud's, Oracle Cloud's and Azure's.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

impl Egress {
    /// Checks one address.
    ///
    /// # Errors
    ///
    /// When requests may not go there.
    pub fn check(self, address: IpAddr) -> Result<(), Refused> {
        let kind = match address {
            IpAddr::V4(v4) => never_v4(v4).or_else(|| self.strictly(private_v4(v4))),
            IpAddr::V6(v6) => {
                let embedded = embedded_v4(v6);
                let never = embedded.into_iter().flatten().find_map(never_v4);
                let private = embedded.into_iter().flatten().find_map(private_v4);
                let (never, private) = match embedded {
                    [None, None] => (never_v6(v6), private_v6(v6)),
                    _ => (never, private.or_else(|| private_v6(v6))),
                };
                never.or_else(|| self.strictly(private))
            }
        };
        kind.map_or(Ok(()), |kind| Err(Refused { address, kind }))
    }

    fn strictly(self, kind: Option<&'static str>) -> Option<&'static str> {
        kind.filter(|_| self == Self::Strict)
    }
}

fn never_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, ..] = address.octets();
    match address {
        // The whole of 0.0.0.0/8 is "this network": on Linux it reaches this machine.
        _ if a == 0 => Some("unspecified"),
        _ if METADATA_V4.contains(&address) => Some("a metadata service"),
        _ if address.is_link_local() => Some("link-local"),
        _ if address.is_multicast() => Some("multicast"),
        _ if address.is_broadcast() => Some("broadcast"),
        _ => None,
    }
}

fn private_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    match address {
        _ if address.is_loopback() => Some("loopback"),
        _ if address.is_private() => Some("private"),
        _ if a == 100 && (64..128).contains(&b) => Some("shared (100.64.0.0/10)"),
        _ if a == 198 && (18..20).contains(&b) => Some("for benchmarks (198.18.0.0/15)"),
        _ if (a, b, c) == (192, 0, 0) || a >= 240 => Some("reserved"),
        _ if address.is_documentation() => Some("for documentation"),
        _ => None,
    }
}

fn never_v6(address: Ipv6Addr) -> Option<&'static str> {
    match address {
        _ if address.is_unspecified() => Some("unspecified"),
        _ if address.is_unicast_link_local() => Some("link-local"),
        _ if address.is_multicast() => Some("multicast"),
        _ if METADATA_V6.contains(&address) => Some("a metadata service"),
        _ => None,
    }
}

fn private_v6(address: Ipv6Addr) -> Option<&'static str> {
    let segments = address.segments();
    match address {
        _ if address.is_loopback() => Some("loopback"),
        _ if address.is_unique_local() => Some("private"),
        _ if segments[..3] == [0x0064, 0xff9b, 1] => Some("translated locally (64:ff9b:1::/48)"),
        _ if segments[..2] == [0x2001, 0] => Some("tunnelled (Teredo)"),
        // The long gone site-local addresses; some networks still route them.
        _ if segments[0] & 0xffc0 == 0xfec0 => Some("private"),
        _ if segments[0] == 0x2001 && segments[1] == 0x0db8 => Some("for documentation"),
        _ => None,
    }
}

/// The IPv4 addresses inside an IPv6 one: mapped, translated, compatible, NAT64 (also with a local prefix), 6to4,
/// or the server and the client of Teredo.
fn embedded_v4(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0, 0, 0, 0, 0xffff, 0] => [v4(g, h), None],
        // ::1 and :: are addresses of their own.
        [0, 0, 0, 0, 0, 0] if g != 0 || h > 1 => [v4(g, h), None],
        [0x0064, 0xff9b, 0, 0, 0, 0] => [v4(g, h), None],
        // RFC 8215: the operator of 64:ff9b:1::/48 picks the length of the prefix; a /48 splits the address
        // around the bits 64 to 71, a /96 ends with it.
        [0x0064, 0xff9b, 1, ..] => {
            let ([_, e_low], [f_high, _]) = (e.to_be_bytes(), f.to_be_bytes());
            let is_set = |address: &Ipv4Addr| !address.is_unspecified();
            [v4(g, h), v4(d, u16::from_be_bytes([e_low, f_high]))].map(|v4| v4.filter(is_set))
        }
        [0x2001, 0, high, low, ..] => [v4(high, low), v4(!g, !h)],
        [0x2002, high, low, ..] => [v4(high, low), None],
        _ => [None, None],
    }
}

/// Connects to the addresses of a URI that may be connected to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Connector {
    pub(crate) egress: Egress,
}

impl Connector {
    async fn connect(self, uri: Uri) -> io::Result<TokioIo<TcpStream>> {
        let invalid = |why: &'static str| io::Error::new(io::ErrorKind::InvalidInput, why);
        let host = uri.host().ok_or_else(|| invalid("the URL has no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let default_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default_port);
        let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => tokio::net::lookup_host((host, port)).await?.collect(),
        };
        let mut failure = invalid("the name has no address");
        for address in addresses {
            if let Err(refused) = self.egress.check(address.ip()) {
                failure = io::Error::new(io::ErrorKind::PermissionDenied, refused);
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(TokioIo::new(stream));
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.connect(uri))
    }
}

#[cfg(test)]
mod tests {
    use super::{Connector, Egress};

    fn allowed(egress: Egress, address: &str) -> bool {
        egress.check(address.parse().unwrap()).is_ok()
    }

    #[test]
    fn some_addresses_are_never_connected_to_in_any_notation() {
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "192.0.0.192",
            "::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "::ffff:0.0.0.0",
            "168.63.129.16",
            "::ffff:168.63.129.16",
            "fd20:ce::254",
            "::ffff:0:169.254.169.254",
            "64:ff9b:1::169.254.169.254",
            "64:ff9b:1:a9fe:a9:fe00::",
            "2001:0:a9fe:a9fe::1",
            "2001:0:808:808::5601:5601",
        ] {
            assert!(!allowed(Egress::Open, address), "{address}");
            assert!(!allowed(Egress::Strict, address), "{address}");
        }
    }

    #[test]
    fn private_addresses_are_refused_when_strict_only() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "240.0.0.1",
            "::1",
            "fd00::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:0a00:0001::1",
            "::ffff:0:127.0.0.1",
            "64:ff9b:1::10.0.0.1",
            "64:ff9b:1::8.8.8.8",
            "2001:0:808:808::f7f7:f7f7",
        ] {
            assert!(allowed(Egress::Open, address), "{address}");
            assert!(!allowed(Egress::Strict, address), "{address}");
        }
    }

    #[test]
    fn public_addresses_are_always_allowed() {
        for address in ["1.1.1.1", "172.15.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"]
        {
            assert!(allowed(Egress::Strict, address), "{address}");
        }
    }

    #[tokio::test]
    async fn a_literal_and_a_resolved_address_are_checked_at_the_connect() {
        let strict = Connector { egress: Egress::Strict };
        for uri in ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"] {
            let error = strict.connect(uri.parse().unwrap()).await.unwrap_err();
            assert!(
                error.to_string().contains("is loopback, where requests may not go"),
                "{error}"
            );
        }
        let open = Connector::default();
        let error = open.connect("http://169.254.169.254/latest".parse().unwrap()).await;
        let error = error.unwrap_err().to_string();
        assert_eq!(error, "169.254.169.254 is link-local, where requests may not go");
    }
}
