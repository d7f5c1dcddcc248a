//! What the configuration says of the store's servers: where they are, how the one to talk to is found, and who we are.

use std::{fmt, path::Path};

use redis::{Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisError};
use redis::{RedisConnectionInfo, TlsCertificates};
use secrecy::{ExposeSecret as _, SecretString};

/// Most servers that a URL may name.
const SEEDS_MAX: usize = 32;
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;

/// Where a store is, as it is configured.
#[derive(Clone, Debug, Default)]
pub struct Location {
    /// `redis://`, `redis-sentinel://` or `redis-cluster://`; `rediss…` by TLS.
    pub url: SecretString,
    /// Who we are to the sentinels.
    pub sentinel_username: String,
    /// The password for them.
    pub sentinel_password: SecretString,
    /// File with the CA's certificates; empty: the system's.
    pub tls_ca_file: String,
    /// File with our certificate; empty: none.
    pub tls_certificate_file: String,
    /// File with its key.
    pub tls_key_file: String,
}

/// A setting that cannot be used, and why.
pub type Problem = (&'static str, String);

/// Host and port of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// How the server that holds a key is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is the one that was named.
    Standalone,
    /// Sentinels know which server is the primary of this name.
    Sentinel {
        /// The name.
        primary: String,
    },
    /// Every node knows which one holds which slots.
    Cluster,
}

/// The servers to begin with, and how to talk to them and to those that they name.
pub(in crate::store::redis) struct Target {
    pub(super) kind: Kind,
    /// The server, or sentinels, or nodes.
    pub(super) seeds: Vec<Address>,
    certificates: Option<TlsCertificates>,
    user: RedisConnectionInfo,
    sentinel_user: RedisConnectionInfo,
}

impl Target {
    /// Reads a location.
    pub(in crate::store::redis) fn new(location: &Location) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let certificates = noted(certificates(location), &mut problems);
        let url = noted(Url::parse(location.url.expose_secret()), &mut problems);
        let (Some(certificates), Some(url)) = (certificates, url) else { return Err(problems) };
        let has_files = certificates.client_tls.is_some() || certificates.root_cert.is_some();
        if has_files && !url.is_tls {
            problems.push(("store.url", "must be rediss://… where TLS files are given".to_owned()));
        }
        let target = Self {
            kind: url.kind,
            seeds: url.seeds,
            certificates: url.is_tls.then_some(certificates),
            // One command less to be allowed.
            user: url.user.set_skip_set_lib_name(),
            sentinel_user: sentinel_user(location).set_skip_set_lib_name(),
        };
        let is_usable = target.seeds.first().is_none_or(|seed| target.client(seed).is_ok());
        if !is_usable {
            problems.push(("store.tls_certificate_file", "cannot be used with its key".to_owned()));
        }
        if problems.is_empty() { Ok(target) } else { Err(problems) }
    }

    /// A client of a server that holds data.
    pub(super) fn client(&self, address: &Address) -> Result<Client, RedisError> {
        self.client_as(address, self.user.clone())
    }

    /// A client of a sentinel.
    pub(super) fn sentinel(&self, address: &Address) -> Result<Client, RedisError> {
        self.client_as(address, self.sentinel_user.clone())
    }

    fn client_as(&self, address: &Address, user: RedisConnectionInfo) -> Result<Client, RedisError> {
        let Address { host, port } = address.clone();
        let Some(certificates) = &self.certificates else {
            return Client::open(ConnectionAddr::Tcp(host, port).into_connection_info()?.set_redis_settings(user));
        };
        let address = ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None };
        let info = address.into_connection_info()?.set_redis_settings(user);
        // Certificates that were not given are the system's: an empty set would be none at all.
        match (&certificates.root_cert, &certificates.client_tls) {
            (None, None) => Client::open(info),
            _ => Client::build_with_tls(info, certificates.clone()),
        }
    }
}

fn noted<T>(result: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

fn sentinel_user(location: &Location) -> RedisConnectionInfo {
    let (name, password) = (&location.sentinel_username, location.sentinel_password.expose_secret());
    let mut user = RedisConnectionInfo::default();
    if !name.is_empty() {
        user = user.set_username(name);
    }
    if password.is_empty() { user } else { user.set_password(password) }
}

fn certificates(location: &Location) -> Result<TlsCertificates, Problem> {
    let root_cert = pem("store.tls_ca_file", &location.tls_ca_file, "CERTIFICATE-----")?;
    let certificate = pem("store.tls_certificate_file", &location.tls_certificate_file, "CERTIFICATE-----")?;
    let key = pem("store.tls_key_file", &location.tls_key_file, "PRIVATE KEY-----")?;
    let client_tls = match (certificate, key) {
        (Some(client_cert), Some(client_key)) => Some(ClientTlsConfig { client_cert, client_key }),
        (None, None) => None,
        (Some(_), None) => {
            return Err(("store.tls_key_file", "must be set with store.tls_certificate_file".to_owned()));
        }
        (None, Some(_)) => {
            return Err(("store.tls_certificate_file", "must be set with store.tls_key_file".to_owned()));
        }
    };
    Ok(TlsCertificates { client_tls, root_cert })
}

fn pem(setting: &'static str, file: &str, what: &str) -> Result<Option<Vec<u8>>, Problem> {
    if file.is_empty() {
        return Ok(None);
    }
    let text = std::fs::read(Path::new(file)).map_err(|error| (setting, format!("cannot be read: {error}")))?;
    // An empty file would read as "trust nobody", and say so only when somebody connects.
    let has_it = String::from_utf8_lossy(&text).contains(what);
    if has_it { Ok(Some(text)) } else { Err((setting, format!("has no -----BEGIN … {what}"))) }
}

/// The parts of `store.url`.
struct Url {
    kind: Kind,
    is_tls: bool,
    seeds: Vec<Address>,
    user: RedisConnectionInfo,
}

impl Url {
    fn parse(text: &str) -> Result<Self, Problem> {
        let wrong = |why: &str| ("store.url", why.to_owned());
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| wrong("must be redis://host:port/db, or as above"))?;
        let (family, topology) = scheme.split_once('-').unwrap_or((scheme, ""));
        let is_tls = matches!(family, "rediss" | "valkeys");
        if !is_tls && !matches!(family, "redis" | "valkey") {
            return Err(wrong("must begin with redis or rediss"));
        }
        if rest.contains(['?', '#']) {
            return Err(wrong("takes no options; write ? and # of a password as %3F and %23"));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
        let (kind, database, port) = match (topology, path.split_once('/').unwrap_or((path, ""))) {
            ("", (database, "")) => (Kind::Standalone, database, PORT),
            ("cluster", ("" | "0", "")) => (Kind::Cluster, "", PORT),
            ("cluster", _) => return Err(wrong("a cluster has no databases and no name: end after the hosts")),
            ("sentinel", (name, database)) if !name.is_empty() => {
                (Kind::Sentinel { primary: name.to_owned() }, database, SENTINEL_PORT)
            }
            ("sentinel", _) => return Err(wrong("must end with the name of the primary that the sentinels know")),
            _ => return Err(wrong("must be redis://…, redis-sentinel://… or redis-cluster://…")),
        };
        let servers: Vec<ConnectionInfo> =
            hosts.split(',').map(|host| server(user, host, database, port)).collect::<Result<_, _>>()?;
        if servers.len() > SEEDS_MAX || (kind == Kind::Standalone && servers.len() > 1) {
            return Err(wrong("names too many servers for what it is"));
        }
        let user = servers.first().map(|server| server.redis_settings().clone()).unwrap_or_default();
        let seeds = servers.iter().filter_map(|server| match server.addr() {
            ConnectionAddr::Tcp(host, port) => Some(Address { host: host.clone(), port: *port }),
            _ => None,
        });
        Ok(Self { kind, is_tls, seeds: seeds.collect(), user })
    }
}

/// Lets the client take one server's part of the URL to pieces: it knows about escapes and addresses in brackets.
fn server(user: &str, host: &str, database: &str, port: u16) -> Result<ConnectionInfo, Problem> {
    let at = if user.is_empty() { "" } else { "@" };
    // An address in brackets has colons of its own.
    let has_port = host.rsplit_once(']').map_or(host, |(_, rest)| rest).contains(':');
    let port = if has_port { String::new() } else { format!(":{port}") };
    let url = format!("redis://{user}{at}{host}{port}/{database}");
    url.into_connection_info().map_err(|error| ("store.url", format!("{host:?}: {}", error.category())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, Vec<Problem>> {
        Target::new(&Location { url: url.into(), ..Location::default() })
    }

    fn seeds(target: &Target) -> Vec<String> {
        target.seeds.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_kind_of_url_says_where_and_who() {
        let one = parse("redis://ada:p%40ss@10.0.0.1:7000/3").unwrap();
        assert_eq!((one.kind, one.seeds.len(), one.user.db()), (Kind::Standalone, 1, 3));
        assert_eq!((one.user.username(), one.user.password()), (Some("ada"), Some("p@ss")));
        let cluster = parse("rediss-cluster://:secret@a:7001,b,[::1]:7003").unwrap();
        assert_eq!(seeds(&cluster), ["a:7001", "b:6379", "::1:7003"]);
        assert_eq!((cluster.kind, cluster.certificates.is_some()), (Kind::Cluster, true));
        let sentinel = parse("redis-sentinel://a,b:5000/main/2").unwrap();
        assert_eq!(seeds(&sentinel), ["a:26379", "b:5000"]);
        assert_eq!((sentinel.kind, sentinel.user.db()), (Kind::Sentinel { primary: "main".to_owned() }, 2));
        assert!(parse("valkeys://h").unwrap().certificates.is_some());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for url in [
            "",
            "localhost:6379",
            "http://localhost",
            "redis://a,b/0",
            "redis://a/one",
            "redis://a/0/1",
            "redis-cluster://a/1",
            "redis-sentinel://a",
            "redis-sentinel://a/main/x",
            "redis-ring://a",
            "redis://a/0?protocol=resp3",
            "rediss://a/0#insecure",
            "redis://a:port",
            "redis-cluster://a,,b",
        ] {
            assert!(parse(url).is_err_and(|problems| problems[0].0 == "store.url"), "{url}");
        }
    }

    #[test]
    fn every_file_that_cannot_be_used_is_named() {
        let directory = std::env::temp_dir();
        let missing = directory.join("latchkey-no-such-file.pem").display().to_string();
        let location = Location { url: "http://x".into(), tls_ca_file: missing.clone(), ..Location::default() };
        let named: Vec<&str> = Target::new(&location).err().unwrap().iter().map(|(name, _)| *name).collect();
        assert_eq!(named, ["store.tls_ca_file", "store.url"]);
        let location = Location { url: "redis://x".into(), tls_key_file: missing, ..Location::default() };
        assert_eq!(Target::new(&location).err().unwrap()[0].0, "store.tls_key_file");
    }

    #[test]
    fn a_location_does_not_show_its_secrets() {
        let location =
            Location { url: "redis://:secret@h".into(), sentinel_password: "hidden".into(), ..Location::default() };
        let shown = format!("{location:?}");
        assert!(!shown.contains("secret@") && !shown.contains("hidden"), "{shown}");
    }
}
