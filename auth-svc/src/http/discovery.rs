//! What the provider says of itself (OpenID Connect Discovery 1.0, RFC 8414), and its public keys.

use axum::{
    extract::State,
    http::{HeaderName, header},
    response::{IntoResponse, Json, Response},
};
use serde_json::{Value, json};

use super::{HttpState, tenant::Tenant};
use crate::{app::Adapters, domain::grant::USER_SCOPES};

const PUBLIC: [(HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "public, max-age=300"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];

pub(super) async fn configuration<A: Adapters>(State(state): State<HttpState<A>>, tenant: Tenant) -> Response {
    (PUBLIC, Json(document(&state.auth.settings.issuer(&tenant.0)))).into_response()
}

pub(super) async fn jwks<A: Adapters>(State(state): State<HttpState<A>>, _tenant: Tenant) -> Response {
    (PUBLIC, Json((*state.jwks).clone())).into_response()
}

fn document(issuer: &str) -> Value {
    let at = |path: &str| format!("{issuer}/{path}");
    json!({
        "issuer": issuer,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "userinfo_endpoint": at("userinfo"),
        "jwks_uri": at("jwks"),
        "introspection_endpoint": at("introspect"),
        "revocation_endpoint": at("revoke"),
        "end_session_endpoint": at("logout"),
        "scopes_supported": USER_SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "amr", "sid", "name", "email"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    })
}
