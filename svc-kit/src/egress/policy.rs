//! Where we may send to: nowhere inside, whatever a name or a spelling pretends.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::{Host, Url};

/// Longest URL, in bytes.
const URL_BYTES_MAX: usize = 2048;

/// What the deployment allows beyond the public internet.
#[derive(Clone, Debug, Default)]
pub struct EgressPolicy {
    /// Whether plain http may be used.
    pub allow_http: bool,
    /// Networks that are allowed although they are not public. Metadata services stay refused.
    pub allow_networks: Vec<IpNet>,
    /// Ports that may be used; empty means any.
    pub allow_ports: Vec<u16>,
}

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a URL.
    #[error("must be an absolute URL of at most 2048 bytes")]
    Malformed,
    /// Not https.
    #[error("must use https")]
    Scheme,
    /// Has a user name or password.
    #[error("must not have credentials")]
    Credentials,
    /// Has a fragment.
    #[error("must not have a fragment")]
    Fragment,
    /// A port that is not allowed.
    #[error("must use an allowed port")]
    Port,
    /// An address that is not public.
    #[error("must have a public address")]
    Address,
}

impl EgressPolicy {
    /// Checks a URL, as far as it can be without resolving its name.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check_url(&self, text: &str) -> Result<Url, Refused> {
        let url = Url::parse(text).ok().filter(|url| text.len() <= URL_BYTES_MAX && url.has_host());
        let url = url.ok_or(Refused::Malformed)?;
        let is_allowed = url.scheme() == "https" || (url.scheme() == "http" && self.allow_http);
        if !is_allowed {
            return Err(Refused::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        if url.fragment().is_some() {
            return Err(Refused::Fragment);
        }
        let port = url.port_or_known_default().ok_or(Refused::Port)?;
        if !self.allow_ports.is_empty() && !self.allow_ports.contains(&port) {
            return Err(Refused::Port);
        }
        // The parser has already folded every spelling (octal, hexadecimal, short forms) into an address.
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_address(address.into())?,
            Some(Host::Ipv6(address)) => self.check_address(address.into())?,
            _ => {}
        }
        Ok(url)
    }

    /// Checks an address that we are about to connect to.
    ///
    /// # Errors
    /// [`Refused::Address`].
    pub fn check_address(&self, address: IpAddr) -> Result<(), Refused> {
        let real = embedded(address);
        if is_metadata(real) || is_metadata(address) {
            return Err(Refused::Address);
        }
        let is_allowed = self.allow_networks.iter().any(|network| network.contains(&real));
        if is_allowed || (is_public(real) && is_public(address)) { Ok(()) } else { Err(Refused::Address) }
    }
}

/// The IPv4 address that an IPv6 address stands for, where it does: mapped, compatible, NAT64, 6to4.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([h1, h2], [l1, l2]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(h1, h2, l1, l2))
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) => v4(g, h),
        (0, 0, 0, 0, 0xffff, 0) => v4(g, h),
        (0, 0, 0, 0, 0, 0) if !v6.is_loopback() && !v6.is_unspecified() => v4(g, h),
        (0x64, 0xff9b, ..) => v4(g, h),
        (0x2002, ..) => v4(b, c),
        _ => address,
    }
}

/// The addresses at which clouds tell secrets to whoever asks.
fn is_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            [[169, 254, 169, 254], [169, 254, 170, 2], [100, 100, 100, 200], [192, 0, 0, 192]].contains(&v4.octets())
        }
        IpAddr::V6(v6) => v6 == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b));
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, ..] = address.segments();
    // Only global unicast, and of that not documentation, Teredo and the like, or 6to4; and what a NAT64 in front of us makes of
    // public addresses (RFC 6052), but not what one makes of addresses of its own (RFC 8215).
    (a & 0xe000) == 0x2000 && !(a == 0x2001 && (b < 0x0200 || b == 0x0db8)) && a != 0x2002 && a != 0x3fff
        || [a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_addresses_are_refused_in_every_spelling() {
        let policy = EgressPolicy::default();
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.88.99.1",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[::ffff:0:127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b:1::5db8:d822]",
            "[64:ff9b:0:1::5db8:d822]",
            "[2002:7f00:1::]",
            "[2002:a00:1::]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "[ff02::1]",
            "[2001:db8::1]",
            "[2001::1]",
            "[100::1]",
            "[3fff::1]",
        ] {
            assert_eq!(policy.check_url(&format!("https://{host}/hook")), Err(Refused::Address), "{host}");
        }
    }

    #[test]
    fn public_addresses_and_names_pass() {
        let policy = EgressPolicy::default();
        for host in ["example.com", "93.184.216.34", "[2606:2800:220:1:248:1893:25c8:1946]", "[64:ff9b::5db8:d822]"] {
            assert!(policy.check_url(&format!("https://{host}/hook?x=1")).is_ok(), "{host}");
        }
    }

    #[test]
    fn other_urls_are_refused() {
        let policy = EgressPolicy { allow_ports: vec![443], ..EgressPolicy::default() };
        for (url, expected) in [
            ("", Refused::Malformed),
            ("/hook", Refused::Malformed),
            ("mailto:a@example.com", Refused::Malformed),
            ("http://example.com/", Refused::Scheme),
            ("ftp://example.com/", Refused::Scheme),
            ("https://user@example.com/", Refused::Credentials),
            ("https://:secret@example.com/", Refused::Credentials),
            ("https://example.com/#x", Refused::Fragment),
            ("https://example.com:6379/", Refused::Port),
        ] {
            assert_eq!(policy.check_url(url), Err(expected), "{url:?}");
        }
    }

    #[test]
    fn an_allowed_network_does_not_open_the_metadata_service() {
        let policy = EgressPolicy { allow_networks: vec!["0.0.0.0/0".parse().unwrap()], ..EgressPolicy::default() };
        assert!(policy.check_address("127.0.0.1".parse().unwrap()).is_ok());
        assert!(policy.check_address("::ffff:10.0.0.1".parse().unwrap()).is_ok());
        for metadata in ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254"] {
            assert!(policy.check_address(metadata.parse().unwrap()).is_err(), "{metadata}");
        }
    }
}
