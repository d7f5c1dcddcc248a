//! Inside addresses are not reached: however they are spelled, and whatever a name says when.

use proto::webhook::v1::{CreateEndpointRequest, DeliveryState};
use tonic::Code;

use super::{animals::Animal, names::Names, tried, verdict};
use crate::{
    rpc::{create, refusal},
    support::{
        database::with_database,
        stack::{Stack, StackBuilder, session_revoked},
    },
};

/// Spellings of addresses that are loop-back or private.
const SPELLINGS: [&str; 34] = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "127.0.0.1.",
    "0",
    "0.0.0.0",
    "10.1",
    "167772161",
    "0xa000001",
    "012.0.0.1",
    "192.168.257",
    "172.16.0.1.",
    "%31%32%37.0.0.1",
    "１２７.0.0.1",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:a00:1]",
    "[::127.0.0.1]",
    "[2002:7f00:1::]",
    "[2002:c0a8:101::1]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b:1::10.0.0.1]",
    "[fd00::1]",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_endpoint_is_created_at_an_inside_address_however_it_is_spelled() {
    let stack = StackBuilder::memory().set("EGRESS__ALLOW_NETWORKS", "[]").start().await;
    let with_user = ["user@10.0.0.1", "example.com@127.0.0.1", "127.0.0.1:80@example.com", "a:b@127.0.0.1"];
    for host in SPELLINGS.iter().chain(&with_user) {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}/hook");
            let request = CreateEndpointRequest { tenant_id: "acme".into(), url, ..Default::default() };
            let refused = refusal(stack.endpoints().create_endpoint(request).await);
            assert_eq!(refused, (Code::InvalidArgument, "URL_REFUSED".to_owned()), "{host}");
        }
    }
    stack.stop().await;
}

/// What was allowed when the endpoint was created may not be any more.
#[tokio::test(flavor = "multi_thread")]
async fn every_spelling_is_checked_again_at_every_attempt() {
    with_database(|url| async move {
        let everything = r#"["0.0.0.0/0", "::/0"]"#;
        let open = StackBuilder::postgres(&url).set("EGRESS__ALLOW_NETWORKS", everything).start().await;
        let mut endpoints = Vec::new();
        for host in SPELLINGS {
            endpoints.push(create(&open, &format!("https://{host}:9/hook")).await.0.id);
        }
        open.stop().await;
        let strict = StackBuilder::postgres(&url).set("EGRESS__ALLOW_NETWORKS", "[]").start().await;
        strict.publish(&[session_revoked("acme", "e1", "sess_1")]).await;
        for (endpoint, host) in endpoints.iter().zip(SPELLINGS) {
            let attempt = tried(&strict, endpoint, "e1", 1).await.attempts.remove(0);
            assert_eq!(verdict(&attempt), ("REFUSED", 0, ""), "{host}");
            assert_eq!(attempt.detail, "the address must have a public address", "{host}");
            assert!(attempt.dns_ms.is_none() && attempt.connect_ms.is_none(), "{host}: {attempt:?}");
        }
        strict.stop().await;
    })
    .await;
}

async fn named(stack: &Stack, name: &str, port: u16) -> String {
    create(stack, &format!("http://{name}:{port}/hook")).await.0.id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_refused_for_what_it_leads_to_at_the_attempt() {
    let names = Names::default();
    let animal = Animal::saying("503 Service Unavailable").await;
    let port = url::Url::parse(&animal.url).unwrap().port().unwrap();
    // Loop-back is what this deployment allows; it stands for the public Internet here.
    names.lead("changing.test", &[&["127.0.0.1"], &["10.0.0.7"]]);
    names.lead("rebinds.test", &[&["127.0.0.1"], &["169.254.169.254"]]);
    let refused: [(&str, &[&str]); 8] = [
        ("private.test", &["192.168.0.1"]),
        ("private.test.", &["192.168.0.1"]),
        ("mapped.test", &["::ffff:10.0.0.1"]),
        ("sixtofour.test", &["2002:a00:1::"]),
        ("nat64.test", &["64:ff9b::a00:1"]),
        ("metadata.test", &["169.254.169.254"]),
        ("both.test", &["127.0.0.1", "10.0.0.1"]),
        ("local.test", &["fe80::1"]),
    ];
    for (name, to) in refused {
        names.lead(name.trim_end_matches('.'), &[to]);
    }
    names.lead("empty.test", &[&[]]);
    let stack = StackBuilder::memory().on(names.network()).start().await;
    let (changing, rebinds) = (named(&stack, "changing.test", port).await, named(&stack, "rebinds.test", port).await);
    let unknown = [named(&stack, "empty.test", port).await, named(&stack, "nowhere.test", port).await];
    let mut endpoints = Vec::new();
    for (name, _) in refused {
        endpoints.push(named(&stack, name, port).await);
    }
    stack.publish(&[session_revoked("acme", "e1", "sess_1")]).await;
    for (endpoint, (name, _)) in endpoints.iter().zip(refused) {
        let attempt = tried(&stack, endpoint, "e1", 1).await.attempts.remove(0);
        assert_eq!(verdict(&attempt), ("REFUSED", 0, "DNS"), "{name}: {attempt:?}");
        assert!(attempt.response.is_empty() && attempt.connect_ms.is_none(), "{name}: {attempt:?}");
    }
    for endpoint in unknown {
        let attempt = tried(&stack, &endpoint, "e1", 1).await.attempts.remove(0);
        assert_eq!((verdict(&attempt), attempt.detail.as_str()), (("DNS", 0, "DNS"), "the name has no address"));
    }
    for endpoint in [changing, rebinds] {
        let delivery = tried(&stack, &endpoint, "e1", 2).await;
        let verdicts: Vec<_> = delivery.attempts.iter().take(2).map(verdict).collect();
        assert_eq!(verdicts, [("STATUS", 503, ""), ("REFUSED", 0, "DNS")]);
        assert_eq!(delivery.state(), DeliveryState::Pending);
    }
    assert_eq!(animal.connections(), 2, "one for each name that led there once");
    stack.stop().await;
}
