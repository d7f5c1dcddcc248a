//! Keys that applications publish: from a real server, which is slow, large, wrong, away, or somewhere inside.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use auth_svc::{crypto::PublishedKeys, ports::KeySets as _};
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::{
    StreamExt as _,
    future::{BoxFuture, ready},
    stream,
};
use svc_kit::{
    clock::{ManualClock, Timestamp},
    egress::{EgressPolicy, Network, Resolve},
};

use crate::support::at_once;

const SECOND: Duration = Duration::from_secs(1);
const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);

fn set(kid: &str) -> String {
    format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","kid":"{kid}","x":"eA","y":"eQ"}}]}}"#)
}

/// A server of an application.
#[derive(Default)]
struct Publisher {
    kid: Mutex<String>,
    is_away: Mutex<bool>,
    asked: AtomicUsize,
}

impl Publisher {
    fn publish(&self, kid: &str) {
        kid.clone_into(&mut self.kid.lock().unwrap());
    }

    fn be_away(&self, is_away: bool) {
        *self.is_away.lock().unwrap() = is_away;
    }

    /// How often it was asked since the last time.
    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

async fn answer(State(publisher): State<Arc<Publisher>>, Path(what): Path<String>) -> Response {
    publisher.asked.fetch_add(1, Ordering::SeqCst);
    if *publisher.is_away.lock().unwrap() {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let good = set(&publisher.kid.lock().unwrap());
    match what.as_str() {
        "redirect" => (StatusCode::FOUND, [(header::LOCATION, "/jwks")]).into_response(),
        "missing" => (StatusCode::NOT_FOUND, good).into_response(),
        "created" => (StatusCode::CREATED, good).into_response(),
        "private" => good.replace("\"x\"", "\"d\":\"eA\",\"x\"").into_response(),
        "many" => {
            format!("{{\"keys\":[{}]}}", vec![r#"{"kty":"RSA","n":"eA","e":"AQAB"}"#; 17].join(",")).into_response()
        }
        // The next request needs a connection of its own.
        "close" => ([(header::CONNECTION, "close")], good).into_response(),
        "page" => "<html>".into_response(),
        "bytes" => vec![0xff, 0xfe, 0x00].into_response(),
        "large" => format!("{good}{}", " ".repeat(17 * 1024)).into_response(),
        "huge" => format!("{good}{}", " ".repeat(2 * 1024 * 1024)).into_response(),
        // Never ends, and would be good if it did.
        "slow" => {
            let start = stream::iter([Ok::<_, io::Error>(good.into_bytes())]);
            Body::from_stream(start.chain(stream::pending())).into_response()
        }
        "endless" => Body::from_stream(stream::repeat_with(|| Ok::<_, io::Error>(vec![b' '; 8192]))).into_response(),
        _ => good.into_response(),
    }
}

/// Names that lead where a test wants.
struct Names(HashMap<&'static str, Mutex<Vec<Vec<IpAddr>>>>);

impl Resolve for Names {
    fn resolve<'n>(&'n self, name: &'n str) -> BoxFuture<'n, io::Result<Vec<IpAddr>>> {
        let found = self.0.get(name).map(|lists| {
            let mut lists = lists.lock().unwrap();
            if lists.len() > 1 { lists.remove(0) } else { lists[0].clone() }
        });
        Box::pin(ready(found.ok_or_else(|| io::ErrorKind::NotFound.into())))
    }
}

struct World {
    publisher: Arc<Publisher>,
    clock: Arc<ManualClock>,
    keys: PublishedKeys,
    base: String,
}

impl World {
    async fn new() -> Self {
        Self::with(Network::system(), &["127.0.0.0/8"]).await
    }

    async fn with(network: Network, allowed: &[&str]) -> Self {
        let (publisher, clock) = (Arc::new(Publisher::default()), Arc::new(ManualClock::new(NOW)));
        publisher.publish("one");
        let router = Router::new().route("/{what}", get(answer)).with_state(publisher.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let allow_networks = allowed.iter().map(|network| network.parse().unwrap()).collect();
        let policy = EgressPolicy { allow_http: true, allow_networks, ..EgressPolicy::default() };
        let keys = PublishedKeys::new(policy, network, clock.clone()).unwrap();
        Self { publisher, clock, keys, base }
    }

    fn at(&self, what: &str) -> String {
        format!("{}/{what}", self.base)
    }

    /// The id of the key that is known.
    async fn kept(&self) -> Option<String> {
        kid(self.keys.key_set(&self.at("jwks")).await.as_deref())
    }

    async fn newer(&self) -> Option<String> {
        kid(self.keys.newer_key_set(&self.at("jwks")).await.as_deref())
    }
}

fn kid(set: Option<&str>) -> Option<String> {
    let set: serde_json::Value = serde_json::from_str(set?).unwrap();
    Some(set["keys"][0]["kid"].as_str().unwrap().to_owned())
}

fn some(kid: &str) -> Option<String> {
    Some(kid.to_owned())
}

#[tokio::test]
async fn a_copy_is_used_for_five_minutes() {
    let world = World::new().await;
    assert_eq!(world.kept().await, some("one"));
    world.publisher.publish("two");
    world.clock.advance(300 * SECOND - Duration::from_millis(1));
    assert_eq!((world.kept().await, world.publisher.asked()), (some("one"), 1));
    world.clock.advance(Duration::from_millis(1));
    assert_eq!((world.kept().await, world.publisher.asked()), (some("two"), 1));
}

#[tokio::test]
async fn a_key_that_is_not_in_the_copy_is_looked_for_every_half_minute_at_most() {
    let world = World::new().await;
    assert_eq!(world.kept().await, some("one"));
    world.publisher.publish("two");
    for _ in 0..100 {
        assert_eq!(world.newer().await, None, "it was read a moment ago");
    }
    assert_eq!(world.publisher.asked(), 1);
    world.clock.advance(30 * SECOND);
    assert_eq!((world.newer().await, world.newer().await, world.publisher.asked()), (some("two"), None, 1));
    assert_eq!(world.kept().await, some("two"));
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_left_alone_and_its_copy_is_good_for_an_hour() {
    let world = World::new().await;
    assert_eq!(world.kept().await, some("one"));
    world.publisher.be_away(true);
    world.clock.advance(300 * SECOND);
    world.publisher.asked();
    for _ in 0..10 {
        assert_eq!(world.kept().await, some("one"));
    }
    assert_eq!(world.publisher.asked(), 1);
    world.clock.advance(3300 * SECOND - Duration::from_millis(1));
    assert_eq!(world.kept().await, some("one"));
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.kept().await, None, "who removed a key must be heard some time");
    world.publisher.be_away(false);
    world.clock.advance(30 * SECOND);
    assert_eq!(world.kept().await, some("one"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_at_once_are_one_request() {
    let world = Arc::new(World::new().await);
    let work = (0..50).map(|_| {
        let world = world.clone();
        async move { world.kept().await }
    });
    assert!(at_once(work).await.into_iter().all(|kept| kept == some("one")));
    assert_eq!(world.publisher.asked(), 1);
}

#[tokio::test]
async fn what_is_no_key_set_of_a_good_size_is_nothing() {
    let world = World::new().await;
    for what in
        ["redirect", "missing", "created", "private", "many", "page", "bytes", "large", "huge", "endless", "slow"]
    {
        let found = tokio::time::timeout(10 * SECOND, world.keys.key_set(&world.at(what))).await.unwrap();
        assert_eq!((found, world.publisher.asked()), (None, 1), "{what}");
        assert_eq!(world.keys.key_set(&world.at(what)).await, None);
        assert_eq!(world.publisher.asked(), 0, "{what} is left alone for a while");
    }
}

#[tokio::test]
async fn nothing_inside_is_asked_whatever_a_name_leads_to() {
    let to = |lists: &[&[&str]]| {
        let parse = |list: &&[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        Mutex::new(lists.iter().map(parse).collect::<Vec<Vec<IpAddr>>>())
    };
    let names = Names(HashMap::from([
        ("inside.test", to(&[&["127.0.0.1"]])),
        ("mixed.test", to(&[&["93.184.216.34", "127.0.0.1"]])),
        ("mapped.test", to(&[&["::ffff:127.0.0.1"]])),
        ("metadata.test", to(&[&["169.254.169.254"]])),
    ]));
    let network = Network { resolver: Arc::new(names), extra_roots: Vec::new() };
    let world = World::with(network, &[]).await;
    let port = world.base.rsplit(':').next().unwrap();
    for host in [
        "inside.test",
        "mixed.test",
        "mapped.test",
        "metadata.test",
        "nowhere.test",
        "127.0.0.1",
        "0",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "user@127.0.0.1",
    ] {
        assert_eq!(world.keys.key_set(&format!("http://{host}:{port}/jwks")).await, None, "{host}");
    }
    assert_eq!(world.publisher.asked(), 0);
}

#[tokio::test]
async fn a_name_that_leads_inside_the_next_time_is_not_followed() {
    let lists = vec![vec!["127.0.0.1".parse().unwrap()], vec!["10.0.0.1".parse().unwrap()]];
    let names = Names(HashMap::from([("rebinds.test", Mutex::new(lists))]));
    let network = Network { resolver: Arc::new(names), extra_roots: Vec::new() };
    let world = World::with(network, &["127.0.0.0/8"]).await;
    let address = format!("http://rebinds.test:{}/close", world.base.rsplit(':').next().unwrap());
    assert_eq!(kid(world.keys.key_set(&address).await.as_deref()), some("one"));
    world.publisher.publish("two");
    world.clock.advance(300 * SECOND);
    assert_eq!(kid(world.keys.key_set(&address).await.as_deref()), some("one"), "what is known from before");
    assert_eq!(world.publisher.asked(), 1);
}
