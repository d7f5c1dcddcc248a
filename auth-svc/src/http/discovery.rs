//! What the provider says of itself (OpenID Connect Discovery 1.0, RFC 8414), and its public keys.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use svc_kit::{id::encode_base32, secret};

use super::{HttpState, tenant::Tenant};
use crate::{
    app::Adapters,
    domain::{assertion::FOREIGN_ALGORITHMS, device::DEVICE_GRANT, grant::USER_SCOPES, keys::SigningAlgorithm},
    ports::Tokens as _,
};

const PUBLIC: [(HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "public, max-age=300"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];

pub(super) async fn configuration<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
) -> Response {
    let settings = &state.auth.settings;
    let mut document = document(&settings.issuer(&tenant.0));
    if settings.registration.is_open {
        document["registration_endpoint"] = format!("{}/register", settings.issuer(&tenant.0)).into();
    }
    public(&headers, &document)
}

pub(super) async fn jwks<A: Adapters>(
    State(state): State<HttpState<A>>,
    _tenant: Tenant,
    headers: HeaderMap,
) -> Response {
    public(&headers, &state.auth.tokens.jwks())
}

/// A document for everybody, which is not sent again to those who have it.
fn public(headers: &HeaderMap, document: &Value) -> Response {
    let body = document.to_string();
    let tag = format!("\"{}\"", encode_base32(&secret::sha256(body.as_bytes())[..16]));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_known = known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag);
    let headers = (PUBLIC, [(header::ETAG, tag)]);
    if is_known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn document(issuer: &str) -> Value {
    let at = |path: &str| format!("{issuer}/{path}");
    let signing = SigningAlgorithm::ALL.map(SigningAlgorithm::name);
    json!({
        "issuer": issuer,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "pushed_authorization_request_endpoint": at("par"),
        "device_authorization_endpoint": at("device_authorization"),
        "userinfo_endpoint": at("userinfo"),
        "jwks_uri": at("jwks"),
        "introspection_endpoint": at("introspect"),
        "revocation_endpoint": at("revoke"),
        "end_session_endpoint": at("logout"),
        "scopes_supported": USER_SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", DEVICE_GRANT],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": signing,
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
        "token_endpoint_auth_signing_alg_values_supported": FOREIGN_ALGORITHMS,
        "introspection_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "introspection_endpoint_auth_signing_alg_values_supported": FOREIGN_ALGORITHMS,
        "revocation_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
        "revocation_endpoint_auth_signing_alg_values_supported": FOREIGN_ALGORITHMS,
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "amr", "sid", "at_hash",
            "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
            "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at", "email", "email_verified",
        ],
        "claims_parameter_supported": true,
        "userinfo_signing_alg_values_supported": signing,
        "introspection_signing_alg_values_supported": signing,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "frontchannel_logout_supported": true,
        "frontchannel_logout_session_supported": true,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "dpop_signing_alg_values_supported": FOREIGN_ALGORITHMS,
        "require_pushed_authorization_requests": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    })
}
