//! npm's `openid-client`.

use serde_json::json;

use super::{
    party::{at, node, play},
    started,
};
use crate::support::KEYED;

#[tokio::test]
async fn openid_client_does_everything_that_it_can() {
    let server = started().await;
    let (program, modules) =
        (at("e2e/relying-parties/openid-client.mjs"), at(".tools/relying-parties/node/node_modules"));
    let found = play(&node(), &[&program, &server.addresses.issuer, &modules, KEYED.pem()]).await;
    let sub = found["formPost"]["sub"].clone();
    assert_eq!(
        found["formPost"],
        json!({ "email": "ada@example.com", "sub": sub, "active": [true, false], "cameByForm": ["code", "iss", "state"] })
    );
    assert_eq!(
        found["pushedAndBound"],
        json!({
            "name": "Ada Lovelace", "type": "dpop", "stolen": "invalid_grant", "inAddress": ["client_id", "request_uri"]
        })
    );
    assert_eq!(found["device"], json!({ "sub": sub }));
    assert_eq!(found["signedAssertion"], json!({ "scope": "sessions.read" }));
    assert_eq!(found["registered"], json!({ "aud": true }));
    assert_eq!(found["signedUserInfo"], json!({ "aud": "caller", "email": "ada@example.com" }));
    server.shutdown();
    server.wait().await.unwrap();
}
