//! An access token that is presented to us as to a resource server (RFC 6750, RFC 9449 §7).

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{HttpState, possession};
use crate::{
    app::{Adapters, oidc::possession::ProofError, tokens::AccessClaims},
    domain::dpop::Demand,
    error::AuthError,
};

/// Pages of any site may ask with a token; cookies count for nothing here.
pub(super) const CORS: [(HeaderName, &str); 2] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, "WWW-Authenticate, DPoP-Nonce"),
];
/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// How a token is presented.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// By itself.
    Bearer,
    /// With a proof that the presenter has the key that it is bound to.
    Dpop,
}

/// A token, and how it is presented.
#[derive(Clone, Copy)]
pub(super) struct Presented<'a> {
    pub(super) scheme: Scheme,
    pub(super) token: &'a str,
}

/// Why a token is not good enough, as a challenge (RFC 9110 §11.6.1).
pub(super) struct Refusal {
    status: StatusCode,
    challenge: &'static str,
    nonce: Option<String>,
}

impl Refusal {
    /// No token, or none that could be one.
    pub(super) const MISSING: Self = Self::new(StatusCode::UNAUTHORIZED, "Bearer");
    /// Two tokens.
    pub(super) const TWICE: Self = Self::new(StatusCode::BAD_REQUEST, r#"Bearer error="invalid_request""#);
    /// A token that is not ours, over, or revoked.
    pub(super) const INVALID: Self = Self::new(StatusCode::UNAUTHORIZED, r#"Bearer error="invalid_token""#);
    /// A token without the scope.
    pub(super) const SCOPE: Self =
        Self::new(StatusCode::FORBIDDEN, r#"Bearer error="insufficient_scope", scope="openid""#);
    const UNBOUND: Self =
        Self::new(StatusCode::UNAUTHORIZED, r#"DPoP error="invalid_token", algs="ES256 EdDSA PS256 RS256""#);
    const PROOF: Self =
        Self::new(StatusCode::UNAUTHORIZED, r#"DPoP error="invalid_dpop_proof", algs="ES256 EdDSA PS256 RS256""#);
    const NONCE: Self =
        Self::new(StatusCode::UNAUTHORIZED, r#"DPoP error="use_dpop_nonce", algs="ES256 EdDSA PS256 RS256""#);

    const fn new(status: StatusCode, challenge: &'static str) -> Self {
        Self { status, challenge, nonce: None }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static(self.challenge))];
        let response = (self.status, CORS, challenge).into_response();
        match self.nonce {
            Some(nonce) => possession::with_nonce(response, &nonce),
            None => response,
        }
    }
}

/// The token in the header, if there is one.
pub(super) fn in_header(headers: &HeaderMap) -> Option<Presented<'_>> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Scheme::Bearer,
        "dpop" => Scheme::Dpop,
        _ => return None,
    };
    Some(Presented { scheme, token: token.trim() })
}

/// The request that a token comes with.
pub(super) struct Request<'a> {
    pub(super) tenant: &'a str,
    pub(super) path: &'static str,
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
}

/// What a token says, if it is an access token of ours and whoever presents it may: a token that is bound to a key is
/// nothing without it (RFC 9449 §7.1), and a proof is nothing with a token that is not.
pub(super) async fn claims<A: Adapters>(
    state: &HttpState<A>,
    request: &Request<'_>,
    presented: Presented<'_>,
) -> Result<Result<AccessClaims, Refusal>, AuthError> {
    if presented.token.len() > TOKEN_BYTES_MAX {
        return Ok(Err(Refusal::INVALID));
    }
    // Only access tokens: a refresh token that is shown here has leaked.
    let claims = state.auth.read_access_token(presented.token).filter(|claims| claims.tenant_id == request.tenant);
    let Some(claims) = claims else { return Ok(Err(Refusal::INVALID)) };
    let bound = match (presented.scheme, &claims.cnf) {
        (Scheme::Bearer, None) => return Ok(Ok(claims)),
        (Scheme::Dpop, Some(bound)) => bound,
        (Scheme::Bearer, Some(_)) | (Scheme::Dpop, None) => return Ok(Err(Refusal::UNBOUND)),
    };
    let address = format!("{}/{}", state.auth.settings.issuer(request.tenant), request.path);
    let demand = Demand { method: request.method.as_str(), address: &address, access_token: Some(presented.token) };
    match possession::shown(state, request.headers, &demand).await {
        Ok(Some(key)) if key == bound.jkt => Ok(Ok(claims)),
        Ok(_) | Err(ProofError::Refused(_)) => Ok(Err(Refusal::PROOF)),
        Err(ProofError::Nonce(nonce)) => Ok(Err(Refusal { nonce: Some(nonce), ..Refusal::NONCE })),
        Err(ProofError::Failed(error)) => Err(error),
    }
}
