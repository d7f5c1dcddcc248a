//! Each application is told by the algorithm that it wants, and everybody finds the keys.

use serde_json::Value;

use super::support::{Browser, Client, Provider, WEB, claims, encoded_bytes, header, verified};

const ES256: Client = Client { id: "es256", secret: "es256-secret", redirect_uri: "https://es256.example/cb", ..WEB };
const EDDSA: Client = Client { id: "eddsa", secret: "eddsa-secret", redirect_uri: "https://eddsa.example/cb", ..WEB };

#[tokio::test]
async fn tokens_and_answers_are_signed_as_the_application_wants() {
    let provider = Provider::start().await;
    for (client, algorithm) in [(WEB, "RS256"), (ES256, "ES256"), (EDDSA, "EdDSA")] {
        let tokens = client.sign_in(&provider, &Browser::new(), &[]).await;
        assert_eq!(
            (&header(&tokens.id)["alg"], &header(&tokens.access)["alg"]),
            (&algorithm.into(), &algorithm.into())
        );
        let told = verified(&provider, &tokens.id).await;
        verified(&provider, &tokens.access).await;
        let half = match algorithm {
            "EdDSA" => svc_kit::secret::sha512(tokens.access.as_bytes())[..32].to_vec(),
            _ => svc_kit::secret::sha256(tokens.access.as_bytes())[..16].to_vec(),
        };
        assert_eq!(told["at_hash"], encoded_bytes(&half));
        if client.id != WEB.id {
            let request = provider.http.get(format!("{}/userinfo", provider.issuer)).bearer_auth(&tokens.access);
            let jwt = request.send().await.unwrap().text().await.unwrap();
            assert_eq!((&header(&jwt)["alg"], &claims(&jwt)["sub"]), (&algorithm.into(), &told["sub"]));
            verified(&provider, &jwt).await;
        }
        // It is a hint as good as any.
        let silent = [("prompt", "none"), ("id_token_hint", tokens.id.as_str())];
        let page = client.authorize(&provider, &Browser::new(), &silent).await;
        assert_eq!(page.answer("error"), "login_required");
        let page = client.authorize(&provider, &Browser::new(), &[("id_token_hint", tokens.id.as_str())]).await;
        assert!(page.is_sign_in());
    }
}

#[tokio::test]
async fn there_is_a_key_of_each_algorithm() {
    let provider = Provider::start().await;
    let keys: Value =
        provider.http.get(format!("{}/jwks", provider.issuer)).send().await.unwrap().json().await.unwrap();
    let mut found: Vec<&str> =
        keys["keys"].as_array().unwrap().iter().map(|key| key["alg"].as_str().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, ["ES256", "EdDSA", "RS256"]);
}
