//! The crate `openidconnect`: it finds the key of whatever algorithm an ID token is signed by.

use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, TokenResponse as _,
    core::{CoreAuthenticationFlow, CoreClient, CoreJwsSigningAlgorithm, CoreProviderMetadata},
};

use super::{party::visit, started};
use crate::support::Browser;

async fn send(request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let response = client.execute(reqwest::Request::try_from(request)?).await?;
    let mut answer = http::Response::builder().status(response.status());
    for (name, value) in response.headers() {
        answer = answer.header(name, value);
    }
    Ok(answer.body(response.bytes().await?.to_vec()).unwrap())
}

#[tokio::test]
async fn openidconnect_verifies_id_tokens_of_every_algorithm() {
    let server = started().await;
    let issuer = IssuerUrl::new(server.addresses.issuer.clone()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &send).await.unwrap();
    for (id, redirect_uri, algorithm) in [
        ("demo-web", "http://localhost:8080/cb", CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256),
        ("es256", "https://es256.example/cb", CoreJwsSigningAlgorithm::EcdsaP256Sha256),
        ("eddsa", "https://eddsa.example/cb", CoreJwsSigningAlgorithm::EdDsa),
    ] {
        let secret = ClientSecret::new(format!("{id}-secret"));
        let client = CoreClient::from_provider_metadata(metadata.clone(), ClientId::new(id.to_owned()), Some(secret))
            .set_redirect_uri(RedirectUrl::new(redirect_uri.to_owned()).unwrap());
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (address, state, nonce) = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .set_pkce_challenge(challenge)
            .url();
        let page = visit(&Browser::new(), address.as_str()).await;
        assert_eq!(&page.answer("state"), state.secret());
        let exchange = client.exchange_code(AuthorizationCode::new(page.answer("code"))).unwrap();
        let tokens = exchange.set_pkce_verifier(verifier).request_async(&send).await.unwrap();
        let verifier = client.id_token_verifier().set_allowed_algs([algorithm.clone()]);
        let id_token = tokens.id_token().unwrap();
        let claims = id_token.claims(&verifier, &nonce).unwrap();
        let key = id_token.signing_key(&verifier).unwrap();
        let hash = AccessTokenHash::from_token(tokens.access_token(), &algorithm, key).unwrap();
        assert_eq!(claims.access_token_hash(), Some(&hash), "{id}");
    }
    server.shutdown();
    server.wait().await.unwrap();
}
