//! Tokens whose header brings or names the key that signed them: a verifier that believes it takes anybody's tokens.
//!
//! They are well signed and say what a real one says; nothing is wrong with them but whose key it is.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, extract::State};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::support::{Browser, Provider, STRANGE, WEB, claims, encoded, header};

/// A key that nobody knows, its public half, and a certificate that it signed itself.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
     MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCmCMUU84Ry6+I3\n\
     m7dd2fU9RB482zjfdbNqXespA+1vVe4+kKr/Sqg8V94FoqBL1Iz3AhgOePZlq/0q\n\
     xORssn50HD5G4u0+KLhthHJg85Z6gFvyrod56vocHxuh9DRbe9Z7KstOFiKnm3Te\n\
     x6V1DhKRLRCF5/17+DvMmA2GkB/v2287cN3QZcg9bpIiLg8HluJ8bD9MdcsyoiNJ\n\
     wKCAI4VmWuj+ngg6uuHPp7duCPsHPL/Ay9v7v+zfSetC8z49r8hZdqPTwPqUSzlW\n\
     pSNQC6qqCOkLtT9RwPg8HEMJ2V/x2JtZYYBp+saT3ndchm12Vjzpz1x8e39ucLhq\n\
     O+9ql/MRAgMBAAECggEAI+kIqzfiITL4efuBZNiTzJzzh0kI23frBqnqhzP0whxN\n\
     S5Xhjha5HVgJyqE6VzxRAsmep16tOB9DQeFU4FeYtwc2xwEku8l13iYD0QlONg+W\n\
     E36BCbLzRmrKALS/MDwwDvKaBzkNZL/gPqDindcd1+1twfCDqDDvyhfm8QAyEB/G\n\
     F+KmPQYffDjqKt9ueM4VkQXgOk6PZFhV39nw2JMLgfRg7iy4MfQcafV6J5v7YcnW\n\
     zVO4qggml7oz9i7KXqEev6KIgyI/riZHyFW5Pi2DGvBImPV8+3h4ZJ5BRL+P3h0r\n\
     FDakfnjCDd56G8rNzmWx4E7dJrHgcY5ZlTIL3RNpMwKBgQDOziIeKjFLPOFnnWRp\n\
     jjQt9Kelmdjm7imhBKurrewOcUqLPR+LCckX9tRc+P4ErV4fbuQMiQjegUkfRl/D\n\
     f+iamhz6yRtQuSGpldo8pzvLe5AR36e6TpiFl4bDvJjN/vbMX4mb1xDZiehsw9oW\n\
     VD83HmpBz0rzTj00DZ0FY8MaCwKBgQDNh8xSXtUAcOPi1Lssch/LATxPgF9BmzrR\n\
     pJAEiJqGjXhqWiYMcduYKTceOTlAdTWavsiOf2NOjokftWdbQQ087DwZ+wUd/NP5\n\
     O+S+jHF2w9pweaFtjWda+Q9MzeRVIGKWDRLpQi/26B++ZNKi1u5DkhyE9kxnQZup\n\
     NrDwBUX00wKBgF2Qr6j8J+9FbSnm8O4882izX0IyWAsrR9Rc+5qiBsIGCdbzYZkT\n\
     ZVMdTrl9wde15HbOQglV2pho3/9xZJRcA44nGeNxJ5WfHRbQALweYZRPpEAh8438\n\
     T09p3gQjCPNyXpDazLSgWjRCC9FhzwL5PNygOyzpL5zjEhfB7P/qQfQ/AoGBAIN5\n\
     gg+TEEh27qAUmyNEYegXg0AMC2NJbGfdEC+GPushpkzKHBrL3sBIZTTVQDVmhQLX\n\
     Vi4peRowfbEl9tbeFxzItW2dMNnM+MAvOxVVe+OQR7S5abVNxjbgqZPlBVIbJFV+\n\
     SYGjUFFujZfaoQ9/0+yvk8TOVXOb+XpWPPtdNDH3AoGAZ6fq5aZvEG76CM0v8oBA\n\
     Q3gpudsqmtFL9U9/twPUrOMum28edQtCy4oo6Ch9zSm6E2ZMRq3raUb/Z88DnDl3\n\
     7H7W9+JUyuXT20zl8uXb9n6yuE2J3m6mwLU/ORnUsXwG7wg1jvMsggBbbmaOVSDn\n\
     Q2NLjezboIpQUhia/Jm+Icc=\n\
     -----END PRIVATE KEY-----\n";
const MODULUS: &str = "pgjFFPOEcuviN5u3Xdn1PUQePNs433Wzal3rKQPtb1XuPpCq_0qoPFfeBaKgS9SM9wIYDnj2Zav9KsTkbLJ-dBw-RuLtPii4bYRyYPOWeoBb8q6Heer6HB8bofQ0W3vWeyrLThYip5t03seldQ4SkS0Qhef9e_g7zJgNhpAf79tvO3Dd0GXIPW6SIi4PB5bifGw_THXLMqIjScCggCOFZlro_p4IOrrhz6e3bgj7Bzy_wMvb-7_s30nrQvM-Pa_IWXaj08D6lEs5VqUjUAuqqgjpC7U_UcD4PBxDCdlf8dibWWGAafrGk953XIZtdlY86c9cfHt_bnC4ajvvapfzEQ";
const CERTIFICATE: &str = "MIIDBTCCAe2gAwIBAgIUEMaB4gwu6kxpN7pcaIOUM44zbF0wDQYJKoZIhvcNAQELBQAwETEPMA0GA1UEAwwGbm9ib2R5MCAXDTI2MTEyNjIxMjM1OFoYDzIxMjYxMTAyMjEyMzU4WjARMQ8wDQYDVQQDDAZub2JvZHkwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQCmCMUU84Ry6+I3m7dd2fU9RB482zjfdbNqXespA+1vVe4+kKr/Sqg8V94FoqBL1Iz3AhgOePZlq/0qxORssn50HD5G4u0+KLhthHJg85Z6gFvyrod56vocHxuh9DRbe9Z7KstOFiKnm3Tex6V1DhKRLRCF5/17+DvMmA2GkB/v2287cN3QZcg9bpIiLg8HluJ8bD9MdcsyoiNJwKCAI4VmWuj+ngg6uuHPp7duCPsHPL/Ay9v7v+zfSetC8z49r8hZdqPTwPqUSzlWpSNQC6qqCOkLtT9RwPg8HEMJ2V/x2JtZYYBp+saT3ndchm12Vjzpz1x8e39ucLhqO+9ql/MRAgMBAAGjUzBRMB0GA1UdDgQWBBSvCz0hWS/+pcpfPci7vIY81A2vqDAfBgNVHSMEGDAWgBSvCz0hWS/+pcpfPci7vIY81A2vqDAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQApDc2q/TqZfE3cgdaHpRBdFSYSCxNASMhqfomC0bUcSiKn5cvW+KsgZ4SPYTlA2UIEuRgj7/Emqf1E9JAWEwHiGHq/qPr6ig3Cap5tPDwIpX9NTNmd3SMAu8udQUWxJqKRapszVhscQM4YNqyV8op18epIDc7eKaawe4AX6bEJr7sp7JtGfOcYytLOLT1UKSCGcfMrVdgAkUVlGeU16eeKzzeiWAssMRWMqFBk9hysoQFTVJv3ImNDtLqhsCWty8+8dNbySlkw6Dk00QZiD2psX/R/C6ofdMkfQkBH+FJDV1UXD0VkY44I+7D6IlyOLT6pKGjMGXtR0aWRv+urWr/J";

/// A key of an attacker.
struct Forger {
    algorithm: Algorithm,
    name: &'static str,
    key: EncodingKey,
    jwk: Value,
}

fn forgers() -> [Forger; 3] {
    let rsa = || EncodingKey::from_rsa_pem(PEM.as_bytes()).unwrap();
    let jwk = json!({ "kty": "RSA", "n": MODULUS, "e": "AQAB" });
    let pem = STRANGE.pem().as_bytes();
    [
        Forger { algorithm: Algorithm::RS256, name: "RS256", key: rsa(), jwk: jwk.clone() },
        Forger { algorithm: Algorithm::PS256, name: "PS256", key: rsa(), jwk },
        Forger {
            algorithm: Algorithm::ES256,
            name: "ES256",
            key: EncodingKey::from_ec_pem(pem).unwrap(),
            jwk: STRANGE.jwk(),
        },
    ]
}

impl Forger {
    /// Signs claims under the header of a real token, with changes.
    fn sign(&self, real: &str, changes: &Value) -> String {
        let mut head = header(real);
        head["alg"] = self.name.into();
        head.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let start = format!("{}.{}", encoded(&head), encoded(&claims(real)));
        let signature = jsonwebtoken::crypto::sign(start.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{start}.{signature}")
    }

    /// Ways to bring the key along, or to name it.
    fn headers(&self, site: &str, kid_of_ours: &Value) -> Vec<(&'static str, Value)> {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = "theirs".into();
        let mut named_like_ours = self.jwk.clone();
        named_like_ours["kid"] = kid_of_ours.clone();
        let (jku, x5u) = (format!("{site}/jwks"), format!("{site}/x5u"));
        vec![
            ("our kid", json!({})),
            ("their kid", json!({ "kid": "theirs" })),
            ("jwk", json!({ "kid": "theirs", "jwk": jwk })),
            ("jwk without kid", json!({ "kid": null, "jwk": self.jwk })),
            ("jwk named like ours", json!({ "jwk": named_like_ours })),
            ("jku", json!({ "kid": "theirs", "jku": jku })),
            ("jku with our kid", json!({ "jku": jku })),
            ("kid as an address", json!({ "kid": jku })),
            ("x5u", json!({ "kid": "theirs", "x5u": x5u })),
            ("x5u with our kid", json!({ "x5u": x5u })),
            ("x5c", json!({ "kid": "theirs", "x5c": [CERTIFICATE] })),
            ("x5c with our kid", json!({ "x5c": [CERTIFICATE] })),
            ("all of them", json!({ "jwk": named_like_ours, "jku": jku, "x5u": x5u, "x5c": [CERTIFICATE] })),
        ]
    }
}

/// The attacker's site, where the keys are; returns its address, and how often it was asked.
async fn site() -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let keys: Vec<Value> = forgers().into_iter().map(|forger| forger.jwk).collect();
    let answer = async move |State(asked): State<Arc<AtomicUsize>>| {
        asked.fetch_add(1, Ordering::SeqCst);
        json!({ "keys": keys }).to_string()
    };
    let router = Router::new().fallback(answer).with_state(asked.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, asked)
}

#[tokio::test]
async fn a_key_that_a_token_brings_along_is_nobodys() {
    let provider = Provider::start().await;
    let (site, asked) = site().await;
    let browser = Browser::new();
    let tokens = WEB.sign_in(&provider, &browser, &[]).await;
    for forger in forgers() {
        for (how, changes) in forger.headers(&site, &header(&tokens.access)["kid"]) {
            let what = format!("{} by {how}", forger.name);
            let (access, id) = (forger.sign(&tokens.access, &changes), forger.sign(&tokens.id, &changes));
            assert_eq!(provider.userinfo(&access).await.0, 401, "{what}");
            assert_eq!(provider.introspect(&WEB, &access).await, json!({ "active": false }), "{what}");
            let page = WEB.authorize(&provider, &browser, &[("id_token_hint", &id), ("prompt", "none")]).await;
            assert_eq!((page.answer("error").as_str(), page.find("code")), ("invalid_request", None), "{what}");
            let page = browser.get(&format!("{}/logout", provider.issuer), &[("id_token_hint", &id)]).await;
            assert_eq!(page.status, 400, "{what}");
        }
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0, "keys were looked for where a token said");
    // The same claims under our own signature are good.
    assert_eq!(provider.userinfo(&tokens.access).await.0, 200);
    assert_eq!(provider.introspect(&WEB, &tokens.access).await["active"], true);
    let page = WEB.authorize(&provider, &browser, &[("id_token_hint", &tokens.id), ("prompt", "none")]).await;
    assert!(page.find("code").is_some(), "{page:?}");
}
