//! A relying party that is not ours: the crate `openidconnect`, as the public client `demo-spa` of the seed.

use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    TokenResponse as _,
    core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata},
};
use reqwest::{Client, redirect::Policy};
use url::Url;

use super::Browser;

const CLIENT: &str = "demo-spa";
const REDIRECT: &str = "http://localhost:8081/cb";

/// What the relying party holds for a user.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub subject: String,
    pub access: String,
    pub refresh: String,
}

/// The relying party.
pub struct RelyingParty {
    metadata: CoreProviderMetadata,
    traceparent: String,
}

impl RelyingParty {
    /// Learns everything from the issuer's discovery document.
    pub async fn discover(issuer: &str, traceparent: &str) -> Self {
        let http = |request| send(traceparent.to_owned(), request);
        let metadata = CoreProviderMetadata::discover_async(IssuerUrl::new(issuer.to_owned()).unwrap(), &http).await;
        Self { metadata: metadata.unwrap(), traceparent: traceparent.to_owned() }
    }

    /// Sends the browser to sign in at the hosted page and exchanges the code that comes back.
    pub async fn sign_in(&self, browser: &mut Browser, login: &str, password: &str) -> Tokens {
        let client = CoreClient::from_provider_metadata(self.metadata.clone(), ClientId::new(CLIENT.to_owned()), None)
            .set_redirect_uri(RedirectUrl::new(REDIRECT.to_owned()).unwrap());
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .add_scope(Scope::new("email".to_owned()))
            .add_scope(Scope::new("offline_access".to_owned()))
            .set_pkce_challenge(challenge)
            .url();
        let form = browser.open(url.as_str()).await;
        assert_eq!(form.status, 200, "{form:?}");
        let wrong = browser.submit(&form, &[("login", login), ("password", "not the password")]).await;
        assert!(wrong.status == 401 && wrong.html.contains("role=\"alert\""), "{wrong:?}");
        let answer = browser.submit(&wrong, &[("login", login), ("password", password)]).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let back = Url::parse(answer.location.as_deref().unwrap()).unwrap();
        assert!(back.as_str().starts_with(REDIRECT), "{back}");
        let parameter = |name: &str| back.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        assert_eq!(
            (parameter("state"), parameter("iss")),
            (state.secret().clone(), self.metadata.issuer().to_string())
        );
        let http = |request| send(self.traceparent.clone(), request);
        let exchange = client.exchange_code(AuthorizationCode::new(parameter("code"))).unwrap();
        let tokens = exchange.set_pkce_verifier(verifier).request_async(&http).await.unwrap();
        let verifier = client.id_token_verifier();
        let id_token = tokens.id_token().unwrap();
        let claims = id_token.claims(&verifier, &nonce).unwrap();
        let hash = AccessTokenHash::from_token(
            tokens.access_token(),
            id_token.signing_alg().unwrap(),
            id_token.signing_key(&verifier).unwrap(),
        );
        assert_eq!(claims.access_token_hash(), Some(&hash.unwrap()));
        Tokens {
            subject: claims.subject().to_string(),
            access: tokens.access_token().secret().clone(),
            refresh: tokens.refresh_token().unwrap().secret().clone(),
        }
    }

    /// Exchanges a refresh token: access and refresh token, or the error that OAuth names.
    pub async fn refresh(&self, token: &str) -> Result<(String, String), String> {
        let client = CoreClient::from_provider_metadata(self.metadata.clone(), ClientId::new(CLIENT.to_owned()), None);
        let http = |request| send(self.traceparent.clone(), request);
        let token = RefreshToken::new(token.to_owned());
        match client.exchange_refresh_token(&token).unwrap().request_async(&http).await {
            Ok(tokens) => {
                Ok((tokens.access_token().secret().clone(), tokens.refresh_token().unwrap().secret().clone()))
            }
            Err(RequestTokenError::ServerResponse(refused)) => Err(refused.error().to_string()),
            Err(error) => panic!("{error:?}"),
        }
    }
}

async fn send(traceparent: String, request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let client = Client::builder().redirect(Policy::none()).build()?;
    let mut request = reqwest::Request::try_from(request)?;
    request.headers_mut().insert("traceparent", traceparent.parse().unwrap());
    let response = client.execute(request).await?;
    let mut answer = http::Response::builder().status(response.status());
    for (name, value) in response.headers() {
        answer = answer.header(name, value);
    }
    Ok(answer.body(response.bytes().await?.to_vec()).unwrap())
}
