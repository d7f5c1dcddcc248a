//! PyPI's `Authlib`, as a relying party and as a resource server.

use serde_json::json;

use super::{
    party::{at, play},
    started,
};

#[tokio::test]
async fn authlib_signs_in_and_takes_access_tokens_only() {
    let server = started().await;
    let python = at(".tools/relying-parties/python/bin/python");
    let found = play(&python, &[&at("e2e/relying-parties/authlib_parties.py"), &server.addresses.issuer]).await;
    assert_eq!(found["relyingParty"], json!({ "email": "ada@example.com", "sub": true, "active": [true, false] }));
    assert_eq!(found["resourceServer"], json!({ "access_token": "demo-web", "id_token": "InvalidTokenError" }));
    server.shutdown();
    server.wait().await.unwrap();
}
